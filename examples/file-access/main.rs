//! Takes the access to files from users. See README.md.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use skep::{Errno, LoadedObject, RingBuffer};
use skep_examples::{Choice, Chosen, Error, WatchOptions, c_text, open_object, say, user};
use zerocopy::FromBytes;

/// Takes the access to files from users.
#[derive(Parser)]
struct Arguments {
    /// The kernel that runs the program. Linux needs CONFIG_BPF_LSM and `bpf` in its list of security modules.
    #[arg(long, value_enum, default_value = "user")]
    kernel: Choice,
    /// Users that lose access, by their number.
    #[arg(long = "deny", value_name = "UID", required = true)]
    denied: Vec<u32>,
    /// With `--kernel user`: an access that is tried, like `1000:cat:/etc/motd` or `1000:cat:/etc/motd:4` for an open
    /// file (4 read, 2 write, 1 execute).
    #[arg(long = "try", value_name = "UID:COMMAND:PATH[:MASK]", value_parser = parse_access)]
    accesses: Vec<user::Access>,
    #[command(flatten)]
    watch: WatchOptions,
    /// Another object than the one built from this folder.
    #[arg(long, value_name = "FILE")]
    object: Option<PathBuf>,
}

/// Reads `UID:COMMAND:PATH[:MASK]`.
fn parse_access(text: &str) -> Result<user::Access, String> {
    let parts: Vec<&str> = text.split(':').collect();
    let wrong = |what: &str| format!("`{what}` is not a number");
    let [uid, command, path, mask @ ..] = &parts[..] else {
        return Err("an access is like 1000:cat:/etc/motd".into());
    };
    let mask = mask.first().map(|mask| mask.parse().map_err(|_| wrong(mask))).transpose()?;
    Ok(user::Access {
        uid: uid.parse().map_err(|_| wrong(uid))?,
        command: (*command).to_owned(),
        path: (*path).to_owned(),
        mask,
    })
}

/// `struct refusal`
#[derive(FromBytes)]
#[repr(C)]
struct Refusal {
    pid: u32,
    uid: u32,
    hook: u32,
    mask: u32,
    comm: [u8; 16],
    name: [u8; 64],
}

/// In the order of `enum hook`.
const HOOKS: &[&str] = &["open", "use"];

fn show(record: &[u8]) {
    let Ok(refusal) = Refusal::read_from_bytes(record) else { return };
    let hook = HOOKS.get(refusal.hook as usize).unwrap_or(&"?");
    let (comm, name) = (c_text(&refusal.comm), c_text(&refusal.name));
    say!(
        "refused: user {} process {} ({comm}) may not {hook} {name} (mask {})",
        refusal.uid,
        refusal.pid,
        refusal.mask
    );
}

fn run(arguments: &Arguments) -> Result<(), Error> {
    let kernel = arguments.kernel.open()?;
    let object = open_object(arguments.object.as_ref(), "file-access", "file-access")?;
    let loaded = object.load(&kernel.door())?;
    let denied = loaded.map("denied_users")?.typed::<u32, u64>()?;
    for uid in &arguments.denied {
        denied.insert(uid, &0)?;
    }
    let mut refusals = RingBuffer::new(loaded.map("refusals")?)?;
    match &kernel {
        Chosen::User(kernel) => {
            for access in &arguments.accesses {
                attempt(kernel, &loaded, access)?;
                refusals.consume(show)?;
            }
        }
        Chosen::Linux(_) => {
            let watched = arguments.watch.prepare()?;
            let _links = loaded.programs().map(skep::Program::attach).collect::<Result<Vec<_>, _>>()?;
            watched.go(|| {
                refusals.consume(show)?;
                Ok(())
            })?;
        }
    }
    for entry in denied.iter() {
        let (uid, count) = entry?;
        say!("user {uid}: {count} refusals");
    }
    Ok(())
}

fn attempt(kernel: &skep_user::UserKernel, loaded: &LoadedObject, access: &user::Access) -> Result<(), Error> {
    let answer = user::access_file(kernel, loaded, access)?;
    let answer = if answer == 0 { "allowed".into() } else { Errno(answer).to_string() };
    say!("{} of user {}: {}: {answer}", access.command, access.uid, access.path);
    Ok(())
}

fn main() -> ExitCode {
    skep_examples::exit(run(&Arguments::parse()))
}
