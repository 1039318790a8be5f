//! The admin that a server makes by itself, so that somebody may grant roles.
//!
//! A state goes in; two commands of the server's own and a file with a password come out, at the start
//! of a fresh log, and of one whose last admin turns out to be erased. Deliberately absent: making
//! anybody an admin who registered by themselves.

use std::iter;

use protocol::{
    Roles, UserId, hex,
    words::accounts::{Command, Register, SetRoles},
};

use crate::{
    config::ServerConfig,
    disk::Disk,
    domain::systems::OwnedCommand,
    engine::Engine,
    passwords::{self, Secret},
    serve::{ServeError, random},
};

/// The name of the first admin.
pub const ADMIN_NAME: &str = "admin";

/// The file in the data directory that holds the first admin's password.
pub const ADMIN_PASSWORD_FILE: &str = "admin-password";

/// Whether somebody may grant roles who is not `leaving`.
pub(crate) fn is_there_beside(engine: &Engine, leaving: &[UserId]) -> bool {
    let accounts = &engine.systems().accounts;
    let is_admin = |user: &&UserId| accounts.roles(**user).contains(Roles::ADMIN);
    leaving.iter().filter(is_admin).count() < accounts.admin_count()
}

/// Makes one, whose password only the owner of the data directory knows, and returns their name.
///
/// # Errors
/// If the password cannot be kept, or the system gives no randomness.
pub(crate) fn make(
    engine: &mut Engine,
    secret: &Secret,
    (disk, config): (&dyn Disk, &ServerConfig),
    now: u64,
) -> Result<String, ServeError> {
    let name = free_name(engine);
    let password = hex::render(&random::<16>()?);
    // Durable before the admin is: whose password nobody knows is no admin.
    disk.replace(ADMIN_PASSWORD_FILE, password.as_bytes())
        .map_err(|source| ServeError::File {
            path: disk.path().join(ADMIN_PASSWORD_FILE),
            source,
        })?;
    // That of the record, so that the salt proves the secret at the next start.
    let salt = secret.salt(engine.own_key(), &name);
    let memory = &mut passwords::Memory::default();
    let password_hash = passwords::hash(&password, salt, config.password_cost, memory)
        .map_err(|error| ServeError::System(error.to_string()))?;
    let register = Command::from(Register {
        name: name.as_str().into(),
        password_hash: password_hash.into(),
    });
    engine.submit_own(now, &OwnedCommand::new(&register));
    let promote = Command::from(SetRoles {
        user: UserId(engine.decided().seq.0),
        roles: Roles::ADMIN,
    });
    engine.submit_own(now, &OwnedCommand::new(&promote));
    Ok(name)
}

/// What is said of one who is not the first.
pub(crate) fn told(name: &str, config: &ServerConfig) -> String {
    format!(
        "nobody is left who may grant roles, so there is a new admin, `{name}`, whose password is in {}",
        config.data_dir.join(ADMIN_PASSWORD_FILE).display()
    )
}

/// What is said where the file with the first admin's password is gone: nobody else knows it.
pub(crate) fn missing_password(disk: &dyn Disk) -> Option<String> {
    let path = disk.path().join(ADMIN_PASSWORD_FILE);
    (!matches!(disk.stat(ADMIN_PASSWORD_FILE), Ok(Some(_)))).then(|| {
        format!(
            "there is no file {}: unless somebody kept the password of `{ADMIN_NAME}`, put it back from a backup",
            path.display()
        )
    })
}

/// [`ADMIN_NAME`], with a number behind it if that is somebody else's by now.
fn free_name(engine: &Engine) -> String {
    let accounts = &engine.systems().accounts;
    let numbered = (2_u64..).map(|nth| format!("{ADMIN_NAME}-{nth}"));
    iter::once(ADMIN_NAME.to_owned())
        .chain(numbered)
        .find(|name| accounts.credential(name).is_none())
        .expect("there are fewer people than numbers")
}
