use std::path::{Path, PathBuf};
use std::process::Command;

use crate::program::{free_port, on_path, output, random};
use crate::server::{Server, new_directory};

/// A Redis server of its own.
pub struct Redis {
    server: Server,
    scheme: &'static str,
    port: u16,
    password: String,
}

impl Redis {
    /// Starts an empty server. Whatever it has acknowledged, it still has after [`Redis::kill`] and [`Redis::restart`].
    ///
    /// # Panics
    ///
    /// If `redis-server` is not installed or does not start.
    pub fn start() -> Self {
        let (directory, port) = (new_directory("redis"), free_port());
        Self::listen(directory, port, "redis", &format!("port {port}"))
    }

    /// Starts an empty server that talks in TLS only. Who trusts [`Redis::authority`] trusts its certificate.
    ///
    /// # Panics
    ///
    /// Also if `openssl` is not installed, which makes the certificates.
    pub fn start_encrypted() -> Self {
        let (directory, port) = (new_directory("redis"), free_port());
        let file = |name: &str| directory.join(name).display().to_string();
        let make =
            |arguments: &[&str]| output(Command::new("openssl").args(arguments).current_dir(&directory));
        let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
        let authority =
            ["req", "-x509", "-days", "30", "-subj", "/CN=test", "-keyout", "ca.key", "-out", "ca.pem"];
        make(&[&authority[..], &key].concat());
        let request = ["req", "-subj", "/CN=redis", "-keyout", "redis.key", "-out", "redis.csr"];
        make(&[&request[..], &key].concat());
        std::fs::write(directory.join("names"), "subjectAltName=IP:127.0.0.1")
            .expect("a file can be written");
        let sign =
            ["x509", "-req", "-in", "redis.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"];
        make(&[&sign[..], &["-days", "30", "-extfile", "names", "-out", "redis.pem"]].concat());
        let settings = format!(
            "port 0\ntls-port {port}\ntls-auth-clients no\ntls-cert-file {}\ntls-key-file {}\ntls-ca-cert-file {}",
            file("redis.pem"),
            file("redis.key"),
            file("ca.pem"),
        );
        Self::listen(directory, port, "rediss", &settings)
    }

    fn listen(directory: PathBuf, port: u16, scheme: &'static str, listen: &str) -> Self {
        let program = on_path("redis-server").unwrap_or_else(|| {
            panic!("redis-server is not installed: apt-get install redis-server, or run scripts/test.sh")
        });
        let password = format!("{:x}", random());
        let settings = format!(
            "bind 127.0.0.1\n{listen}\nrequirepass {password}\ndir {}\ndatabases 1000\nsave \"\"\nappendonly yes\nappendfsync always\nmaxmemory 64mb\nmaxmemory-policy noeviction\n",
            directory.display()
        );
        let file = directory.join("redis.conf");
        std::fs::write(&file, settings).expect("the server's settings can be written");
        let command = vec![program.display().to_string(), file.display().to_string()];
        Self { server: Server::start(directory, command, "KILL"), scheme, port, password }
    }

    /// `redis://:PASSWORD@127.0.0.1:PORT`, or `rediss://…` if it is encrypted.
    pub fn url(&self) -> String {
        format!("{}://:{}@127.0.0.1:{}", self.scheme, self.password, self.port)
    }

    /// The certificate of the authority that an encrypted server's certificate is signed by.
    pub fn authority(&self) -> PathBuf {
        self.server.directory().join("ca.pem")
    }

    /// What nobody may find in a log.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Where the server keeps everything.
    pub fn directory(&self) -> &Path {
        self.server.directory()
    }

    /// Kills the server: connections break, and new ones are refused.
    pub fn kill(&mut self) {
        self.server.end("KILL");
    }

    /// Asks the server to end, and waits until it has.
    pub fn stop(&mut self) {
        self.server.end("TERM");
    }

    /// Starts it again, on the same port and with the same data.
    pub fn restart(&mut self) {
        self.server.run();
    }

    /// Lets it hang: connections stay, and nothing answers.
    pub fn freeze(&mut self) {
        self.server.signal("STOP");
    }

    /// Lets it go on.
    pub fn thaw(&mut self) {
        self.server.signal("CONT");
    }
}
