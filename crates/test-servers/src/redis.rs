use std::path::Path;

use crate::program::{free_port, on_path, random};
use crate::server::{Server, new_directory};

/// A Redis server of its own.
pub struct Redis {
    server: Server,
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
        let program = on_path("redis-server").unwrap_or_else(|| {
            panic!("redis-server is not installed: apt-get install redis-server, or run scripts/test.sh")
        });
        let (directory, port, password) = (new_directory("redis"), free_port(), format!("{:x}", random()));
        let settings = format!(
            "bind 127.0.0.1\nport {port}\nrequirepass {password}\ndir {}\ndatabases 1000\nsave \"\"\nappendonly yes\nappendfsync always\nmaxmemory 64mb\nmaxmemory-policy noeviction\n",
            directory.display()
        );
        let file = directory.join("redis.conf");
        std::fs::write(&file, settings).expect("the server's settings can be written");
        let command = vec![program.display().to_string(), file.display().to_string()];
        Self { server: Server::start(directory, command, "KILL"), port, password }
    }

    /// `redis://:PASSWORD@127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("redis://:{}@127.0.0.1:{}", self.password, self.port)
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
