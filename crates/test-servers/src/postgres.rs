use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::program::{free_port, on_path, output};
use crate::server::{Server, new_directory};

const USER: &str = "pyairtable";
const PASSWORD: &str = "for-tests-only";

/// A Postgres server of its own.
pub struct Postgres {
    server: Server,
    port: u16,
}

impl Postgres {
    /// Starts a server with an empty database.
    ///
    /// # Panics
    ///
    /// If Postgres is not installed or does not start.
    pub fn start() -> Self {
        let programs = Programs::find();
        let template = programs.template();
        let (directory, port) = (new_directory("postgres"), free_port());
        programs.hand_over(&directory);
        let data = directory.join("data");
        output(Command::new("cp").arg("-a").args([&template, &data]));
        let mut command = programs.as_user("postgres");
        command.extend(["-D".to_owned(), data.display().to_string(), "-p".to_owned(), port.to_string()]);
        for setting in [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "fsync=off",
            "full_page_writes=off",
            "shared_buffers=16MB",
            "max_connections=100",
            "lc_messages=C",
            "log_min_messages=warning",
        ] {
            command.extend(["-c".to_owned(), setting.to_owned()]);
        }
        Self { server: Server::start(directory, command, "QUIT"), port }
    }

    /// `postgresql://USER:PASSWORD@127.0.0.1:PORT/postgres`.
    pub fn url(&self) -> String {
        format!("postgresql://{USER}:{PASSWORD}@127.0.0.1:{}/postgres", self.port)
    }

    /// What nobody may find in a log.
    pub fn password(&self) -> &str {
        PASSWORD
    }

    /// Executes SQL as an administrator would, with `psql`.
    pub fn execute(&self, sql: &str) {
        let mut psql = Command::new(Programs::find().directory.join("psql"));
        output(psql.args([&self.url(), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", sql]));
    }

    /// Ends the server as a crash does: nothing is tidied up, and the next start recovers from the log.
    pub fn kill(&mut self) {
        self.server.end("QUIT");
    }

    /// Ends the server: running transactions are rolled back, connections are closed.
    pub fn stop(&mut self) {
        self.server.end("INT");
    }

    /// Starts it again, on the same port and with the same data.
    pub fn restart(&mut self) {
        self.server.run();
    }

    /// Where the server keeps everything.
    pub fn directory(&self) -> &Path {
        self.server.directory()
    }
}

/// The installed programs, and who runs them.
struct Programs {
    directory: PathBuf,
    /// Postgres refuses to run as root. `None`: we are somebody else.
    user: Option<User>,
}

struct User {
    id: u32,
    group: u32,
}

impl Programs {
    fn find() -> Self {
        // Debian keeps the server's programs off the search path, one directory per version.
        let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let versions = versions.filter_map(|entry| {
            let version: u32 = entry.file_name().to_str()?.parse().ok()?;
            let programs = entry.path().join("bin");
            programs.join("postgres").exists().then_some((version, programs))
        });
        let newest = versions.max().map(|(_, programs)| programs);
        let directory = newest.or_else(|| {
            let program = on_path("postgres").and_then(|path| path.canonicalize().ok())?;
            program.parent().map(Path::to_owned)
        });
        let directory = directory.unwrap_or_else(|| {
            panic!("Postgres is not installed: apt-get install postgresql, or run scripts/test.sh")
        });
        let is_root = std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
        Self { directory, user: is_root.then(User::of_postgres) }
    }

    /// The start of a command line that runs a program as a user that Postgres accepts.
    fn as_user(&self, program: &str) -> Vec<String> {
        let program = self.directory.join(program).display().to_string();
        match &self.user {
            None => vec![program],
            Some(User { id, group }) => vec![
                "setpriv".to_owned(),
                format!("--reuid={id}"),
                format!("--regid={group}"),
                "--clear-groups".to_owned(),
                program,
            ],
        }
    }

    fn hand_over(&self, directory: &Path) {
        if let Some(User { id, group }) = self.user {
            chown(directory, Some(id), Some(group)).expect("root may give a directory away");
        }
    }

    /// An empty database, made by whoever needs it first on this machine.
    fn template(&self) -> PathBuf {
        let version = output(Command::new(self.directory.join("postgres")).arg("--version"));
        let version: String = version.chars().filter(char::is_ascii_alphanumeric).collect();
        let own = std::fs::metadata("/proc/self").expect("there is /proc").uid();
        let template = std::env::temp_dir().join(format!("pyairtable-test-template-{own}-{version}"));
        if template.join("PG_VERSION").exists() {
            let owner = self.user.as_ref().map_or(own, |user| user.id);
            let found = std::fs::metadata(&template).expect("it exists");
            assert!(
                found.uid() == owner && found.permissions().mode() & 0o077 == 0,
                "{} is not ours",
                template.display()
            );
            return template;
        }
        let draft = new_directory("template");
        self.hand_over(&draft);
        let password = draft.join("password");
        std::fs::write(&password, PASSWORD).expect("a file can be written");
        self.hand_over(&password);
        let data = draft.join("data");
        let command = self.as_user("initdb");
        output(
            Command::new(&command[0])
                .args(&command[1..])
                .args(["--no-sync", "--encoding=UTF8", "--locale=C", "--wal-segsize=1"])
                .args(["--auth=scram-sha-256", "--username", USER, "--pwfile"])
                .arg(&password)
                .args([Path::new("-D"), &data]),
        );
        // Fails if another process was quicker, whose work is as good.
        let _ = std::fs::rename(&data, &template);
        let _ = std::fs::remove_dir_all(&draft);
        template
    }
}

impl User {
    fn of_postgres() -> Self {
        let users = std::fs::read_to_string("/etc/passwd").expect("/etc/passwd can be read");
        let find = |name: &str| {
            let fields: Vec<_> = users.lines().map(|line| line.split(':').collect::<Vec<_>>()).collect();
            let user = fields.iter().find(|fields| fields[0] == name && fields.len() > 3)?;
            Some(Self { id: user[2].parse().ok()?, group: user[3].parse().ok()? })
        };
        find("postgres").or_else(|| find("nobody")).expect("there is a user postgres or nobody to run it as")
    }
}
