//! The file as a whole: its tables in the order in which they need each other.
//!
//! World first, because picks are checked against it; flows next, because loads name them; then
//! phases, faults in them, and requirements.

use std::ops::Range;

use toml::de::DeTable;

use super::{
    Durability, PasswordCost, Scenario, ServerConfig,
    diagnostic::Fault,
    fault::read_faults,
    flow::read_flows,
    load::read_phases,
    reader::{Read, Table, Value},
    require::read_require,
    world::{WORLD_KEYS, read_world},
};

/// TOML keeps whole numbers in 63 bits.
const SEED: Range<u64> = 0..1 << 63;

/// Keys of the whole file.
pub(super) const FILE_KEYS: [&str; 9] = [
    "name",
    "description",
    "seed",
    "world",
    "server",
    "phase",
    "flow",
    "fault",
    "require",
];
/// Keys of `[server]`.
pub(super) const SERVER_KEYS: [&str; 2] = ["durability", "password_cost"];

/// Words for [`Durability`].
const DURABILITIES: [(&str, Durability); 3] = [
    ("full", Durability::Full),
    ("normal", Durability::Normal),
    ("none", Durability::None),
];
/// Words for [`PasswordCost`].
const PASSWORD_COSTS: [(&str, PasswordCost); 2] = [
    ("test", PasswordCost::Test),
    ("default", PasswordCost::Default),
];

/// Reads and checks the whole file.
pub(super) fn read_scenario(label: &str, text: &str) -> Read<Scenario> {
    let parsed = DeTable::parse(text)
        .map_err(|error| Fault::new(error.span(), format!("not TOML: {}", error.message())))?;
    let file = Table::document(&parsed, &FILE_KEYS)?;
    let world = read_world(&file.need("world")?.table("[world]", &WORLD_KEYS)?)?;
    let flows = read_flows(&file.need("flow")?, &world)?;
    let phases = read_phases(&file.need("phase")?, &flows, &world)?;
    let faults = read_faults(file.get("fault").as_ref(), &phases)?;
    Ok(Scenario {
        label: label.to_owned(),
        text: text.to_owned(),
        name: read_name(&file.need("name")?)?,
        description: read_description(&file)?,
        seed: file
            .get("seed")
            .map_or(Ok(0), |value| value.integer(SEED))?,
        world,
        server: read_server(&file)?,
        phases,
        flows,
        require: read_require(file.get("require").as_ref(), &faults)?,
        faults,
    })
}

/// Names end up in file names and on command lines.
fn read_name(value: &Value<'_>) -> Read<String> {
    let name = value.text("a text")?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if (1..=64).contains(&name.len()) && name.bytes().all(is_plain) {
        return Ok(name.to_owned());
    }
    Err(value
        .fault(format!(
            "`name` is {name:?}, but must be 1 to 64 letters, digits, `-` or `_`"
        ))
        .hint("write it like \"booking-race\": runs are stored under it"))
}

fn read_description(file: &Table<'_>) -> Read<String> {
    file.get("description").map_or(Ok(String::new()), |value| {
        Ok(value.text("a text")?.to_owned())
    })
}

fn read_server(file: &Table<'_>) -> Read<ServerConfig> {
    let mut config = ServerConfig::default();
    let Some(server) = file.get("server") else {
        return Ok(config);
    };
    let table = server.table("[server]", &SERVER_KEYS)?;
    if let Some(value) = table.get("durability") {
        config.durability = value.choice(&DURABILITIES)?;
    }
    if let Some(value) = table.get("password_cost") {
        config.password_cost = value.choice(&PASSWORD_COSTS)?;
    }
    Ok(config)
}
