//! The demo: two examples on real packets, in Skep's own kernel without privilege, and in Linux where that can be; the
//! same objects, the same answers; and `tcpdump` for the arithmetic.

use crate::process::{Error, Step, root, target_folder};
use crate::setup;

/// A run of an example on a capture.
struct Case {
    title: &'static str,
    program: &'static str,
    capture: &'static str,
    arguments: &'static [&'static str],
    counts: &'static [Count],
}

/// A number that the example prints, and how to get it in another way.
struct Count {
    /// How the line with the number begins; the number is the word behind.
    label: &'static str,
    /// A shell command that prints it.
    command: &'static str,
}

/// Characters of a line that are shown in a column.
const COLUMN: usize = 52;

const CASES: &[Case] = &[
    Case {
        title: "firewall: blocked ports and prefixes in maps",
        program: "firewall",
        capture: "captures/mixed.pcap",
        arguments: &["block tcp 23", "block tcp 8080", "block udp 514", "block 10.66.7.0/24", "block fd66:bad::/32"],
        counts: &[
            Count {
                label: "blocked port",
                command: "tcpdump -nr captures/mixed.pcap '(tcp dst port 23 or tcp dst port 8080 or udp dst port 514) \
                          and not src net 10.66.7.0/24 and not src net fd66:bad::/32' | wc -l",
            },
            Count {
                label: "blocked IPv4",
                command: "tcpdump -nr captures/mixed.pcap 'ip and src net 10.66.7.0/24' | wc -l",
            },
            Count { label: "blocked IPv6", command: "tcpdump -nr captures/mixed.pcap 'src net fd66:bad::/32' | wc -l" },
        ],
    },
    Case {
        title: "firewall: a rule that comes while it runs, and one that goes",
        program: "firewall",
        capture: "captures/mixed.pcap",
        arguments: &["block tcp 80", "100: allow tcp 80", "200: block tcp 22"],
        counts: &[Count {
            label: "blocked port",
            command: "echo $(( $(tcpdump -c 99 -w - -r captures/mixed.pcap | tcpdump -nr - 'tcp dst port 80' | wc -l) \
                      + $(tcpdump -nr captures/mixed.pcap 'tcp dst port 22' | wc -l) \
                      - $(tcpdump -c 199 -w - -r captures/mixed.pcap | tcpdump -nr - 'tcp dst port 22' | wc -l) ))",
        }],
    },
    Case {
        title: "url-filter, first version: what stands in a request's first packet",
        program: "url-filter",
        capture: "captures/http.pcap",
        arguments: &["--filter", "1", "--width", "24"],
        counts: &[
            Count { label: "packets", command: "tcpdump -nr captures/http.pcap | wc -l" },
            Count {
                label: "to user space",
                // The first four bytes of the payload: GET, POST, HEAD, PUT, DELE.
                command: "tcpdump -nr captures/http.pcap 'tcp[(tcp[12] & 0xf0) >> 2 : 4] = 0x47455420 \
                          or tcp[(tcp[12] & 0xf0) >> 2 : 4] = 0x504f5354 \
                          or tcp[(tcp[12] & 0xf0) >> 2 : 4] = 0x48454144 \
                          or tcp[(tcp[12] & 0xf0) >> 2 : 4] = 0x50555420 \
                          or tcp[(tcp[12] & 0xf0) >> 2 : 4] = 0x44454c45' | wc -l",
            },
        ],
    },
    Case {
        title: "url-filter, second version: URLs put together from several packets",
        program: "url-filter",
        capture: "captures/http.pcap",
        arguments: &["--width", "24"],
        counts: &[
            Count { label: "packets", command: "tcpdump -nr captures/http.pcap | wc -l" },
            Count { label: "whole URLs", command: "wc -l < captures/http.urls" },
        ],
    },
    Case {
        title: "url-filter over IPv6",
        program: "url-filter",
        capture: "captures/http6.pcap",
        arguments: &["--width", "24"],
        counts: &[
            Count { label: "packets", command: "tcpdump -nr captures/http6.pcap | wc -l" },
            Count { label: "whole URLs", command: "wc -l < captures/http6.urls" },
        ],
    },
];

/// Runs the demo.
///
/// # Errors
/// Something is missing or does not build, an example fails, or two numbers that must be equal are not.
pub(crate) fn run() -> Result<(), Error> {
    setup::run(setup::Need::Demo)?;
    Step::new("cargo", ["build", "--quiet", "-p", "skep-cli", "-p", "skep-examples", "--bins"]).run()?;
    let linux = setup::linux_bpf();
    if crate::process::find("tcpdump").is_none() {
        println!("No tcpdump: the numbers are not compared with its.");
    }
    if let Err(reason) = &linux {
        println!("Linux's own BPF is left out: {reason}. Skep's kernel needs nothing of that.");
    }
    let mut differences = 0;
    for case in CASES {
        differences += case.run(linux.is_ok())?;
    }
    show_maps()?;
    match differences {
        0 => {
            println!("\nAll numbers agree.");
            Ok(())
        }
        _ => Err(Error::other(format!("{differences} differences"))),
    }
}

/// The general command on an object of the examples: verdicts, and all maps as their types say.
fn show_maps() -> Result<(), Error> {
    println!("\n== any object on any capture, with its maps\n");
    let debug = target_folder().join("debug");
    let object = debug.join("bpf/tail-parser.bpf.o");
    let parser = debug.join("tail-parser");
    Step::new(parser, ["--pcap", "captures/vlan.pcap"]).output()?; // compiles the object
    Step::new(debug.join("skep"), ["run", "--program", "parse_ethernet", "--pcap", "captures/vlan.pcap"])
        .args([object])
        .run()
}

impl Case {
    /// Runs it in one kernel or both, prints what came of it and counts what differs.
    fn run(&self, with_linux: bool) -> Result<usize, Error> {
        println!("\n== {}\n   {} --pcap {} {}\n", self.title, self.program, self.capture, quoted(self.arguments));
        let user = self.output("user")?;
        let mut differences = 0;
        if with_linux {
            let linux = self.output("linux")?;
            side_by_side(&user, &linux);
            let same = user == linux;
            println!("{}", if same { "Both kernels say the same." } else { "THE KERNELS DIFFER." });
            differences += usize::from(!same);
        } else {
            print!("{user}");
        }
        let counts = if crate::process::find("tcpdump").is_some() { self.counts } else { &[] };
        for count in counts {
            differences += usize::from(!count.check(&user)?);
        }
        Ok(differences)
    }

    fn output(&self, kernel: &str) -> Result<String, Error> {
        let program = target_folder().join("debug").join(self.program);
        Step::new(program, ["--kernel", kernel, "--pcap", self.capture]).args(self.arguments).output()
    }
}

impl Count {
    /// Whether the example's number is the command's.
    fn check(&self, output: &str) -> Result<bool, Error> {
        let ours = output.lines().find_map(|line| line.strip_prefix(self.label)?.split_whitespace().next());
        let ours = ours.unwrap_or("nothing");
        let theirs =
            Step::new("sh", ["-c", &format!("cd '{}'; {{ {}; }} 2>/dev/null", root().display(), self.command)])
                .output()?;
        let same = ours == theirs.trim();
        println!("{}: {ours} here, {} by $ {}", self.label, theirs.trim(), self.command);
        if !same {
            println!("THE NUMBERS DIFFER.");
        }
        Ok(same)
    }
}

fn quoted(arguments: &[&str]) -> String {
    let quote = |word: &&str| if word.contains(' ') { format!("'{word}'") } else { (*word).to_owned() };
    arguments.iter().map(quote).collect::<Vec<_>>().join(" ")
}

fn side_by_side(left: &str, right: &str) {
    println!("{:COLUMN$} | Linux", "Skep's own kernel");
    println!("{:-<COLUMN$}-+-{:-<COLUMN$}", "", "");
    let (mut left, mut right) = (left.lines(), right.lines());
    loop {
        let (a, b) = (left.next(), right.next());
        if a.is_none() && b.is_none() {
            return;
        }
        let (a, b) = (a.unwrap_or_default(), b.unwrap_or_default());
        println!("{:COLUMN$} {} {b}", shortened(a), if a == b { '|' } else { '#' });
    }
}

/// A line that fits into a column.
fn shortened(line: &str) -> String {
    if line.chars().count() <= COLUMN {
        line.to_owned()
    } else {
        line.chars().take(COLUMN - 3).chain("...".chars()).collect()
    }
}
