//! `skep check --selftest`: programs that say themselves what is to become of them (`docs/selftest.md`).
//!
//! Each program that is no auxiliary of others is a test for each user its tags name. A test loads that program alone
//! (and the auxiliaries), and compares the verdict, what the log holds, the rewritten instructions and what a run returns.

mod linux;
mod ours;
mod pattern;
mod report;
mod run;
mod verdict;

use super::{Check, Verifier};
use crate::error::{Exit, Failure, Outcome};
use crate::offline::{Offline, fill_kernel_settings};
use crate::output::Output;
use crate::{input, style};
use report::{Results, TestResult};
use skep_object::{Expectation, Expectations, ExpectedOutcome, ObjectSpec, ProgramSpec};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Whose rights a program is loaded with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum User {
    Privileged,
    /// Nobody in particular, with the capabilities that the tags let it keep.
    Unprivileged,
}

/// An object whose programs are tests.
struct TestObject {
    path: PathBuf,
    name: String,
    bytes: Vec<u8>,
    spec: ObjectSpec,
    /// Each program's, in the object's order.
    expectations: Vec<Expectation>,
}

/// One program, to be loaded by one user.
struct Test<'a> {
    object: usize,
    program: &'a ProgramSpec,
    expectation: &'a Expectation,
    user: User,
    expected: &'a ExpectedOutcome,
    /// Names of the programs to be loaded beside it.
    auxiliary: Vec<&'a str>,
}

impl Check {
    /// Runs the tests of all objects, several at a time.
    pub(super) fn run_selftests(&self, output: Output) -> Outcome {
        let verifier = self.verifier()?;
        let mut unusable = false;
        let mut objects = Vec::new();
        for path in &self.objects {
            match TestObject::read(path) {
                Ok(object) => objects.push(object),
                Err(failure) => {
                    style::print_error(&failure);
                    unusable = true;
                }
            }
        }
        let tests = self.tests(&objects);
        if tests.is_empty() && unusable {
            return Ok(Exit::Unusable);
        }
        if tests.is_empty() {
            return Err(Failure::new("no program says what is expected of it")
                .hint("expectations are BTF declaration tags on programs: docs/selftest.md"));
        }
        let results = match &verifier {
            Verifier::Ours(btf) => {
                let offline: Vec<Offline<'_>> =
                    objects.iter().map(|object| Offline::new(&object.spec, btf.clone())).collect();
                self.run_tests(&objects, &tests, |test| ours::ask(test, &objects[test.object], &offline[test.object]))
            }
            Verifier::Linux(kernel) => {
                self.run_tests(&objects, &tests, |test| linux::ask(test, &objects[test.object], kernel))
            }
        };
        let results = Results(results);
        self.print_selftests(&results, output)?;
        Ok(if unusable { Exit::Unusable } else { results.exit() })
    }

    fn tests<'a>(&self, objects: &'a [TestObject]) -> Vec<Test<'a>> {
        let wanted = |program: &ProgramSpec| self.program.as_ref().is_none_or(|name| *name == program.name);
        let tests = objects.iter().enumerate().flat_map(|(index, object)| object.tests(index));
        tests.filter(|test| wanted(test.program)).collect()
    }

    /// Runs tests on as many threads as were asked for; the results are in the order of the tests.
    fn run_tests(
        &self,
        objects: &[TestObject],
        tests: &[Test<'_>],
        ask: impl Fn(&Test<'_>) -> verdict::Answer + Sync,
    ) -> Vec<TestResult> {
        let (next, results) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(tests.len())));
        let work = || {
            loop {
                let number = next.fetch_add(1, Relaxed);
                let Some(test) = tests.get(number) else { return };
                let result = match test.unfit() {
                    Some(reason) => verdict::skipped(reason),
                    None => verdict::judge(test.expected, ask(test)),
                };
                let result = TestResult::new(&objects[test.object].name, test, result);
                if let Ok(mut results) = results.lock() {
                    results.push((number, result));
                }
            }
        };
        let cpus = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        std::thread::scope(|scope| {
            for _ in 0..self.jobs.map_or_else(cpus, |jobs| jobs as usize).min(tests.len()) {
                scope.spawn(work);
            }
        });
        let mut results = results.into_inner().unwrap_or_default();
        results.sort_by_key(|(number, _)| *number);
        results.into_iter().map(|(_, result)| result).collect()
    }
}

impl TestObject {
    fn read(path: &Path) -> Result<TestObject, Failure> {
        let bytes = input::read(path)?;
        let mut spec = ObjectSpec::parse(&bytes).map_err(|e| Failure::file("read the object", path, &e))?;
        fill_kernel_settings(&mut spec);
        let tags = Expectations::read(&spec);
        // Objects without any tag hold programs, not tests.
        let programs = if tags.is_empty() { &[][..] } else { &spec.programs };
        let expectations = programs.iter().map(|program| tags.of(program)).collect::<Result<Vec<_>, _>>();
        let expectations = expectations.map_err(|e| Failure::file("use the tags of", path, &e))?;
        for (program, expectation) in spec.programs.iter_mut().zip(&expectations) {
            program.load_flags |= expectation.load_flags;
        }
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        Ok(TestObject { path: path.to_owned(), name, bytes, spec, expectations })
    }

    fn programs(&self) -> impl Iterator<Item = (&ProgramSpec, &Expectation)> {
        self.spec.programs.iter().zip(&self.expectations)
    }

    fn tests(&self, object: usize) -> Vec<Test<'_>> {
        let mut tests = Vec::new();
        for (program, expectation) in self.programs().filter(|(_, expectation)| !expectation.auxiliary) {
            let outcomes =
                [(User::Privileged, &expectation.privileged), (User::Unprivileged, &expectation.unprivileged)];
            for (user, expected) in outcomes {
                if let Some(expected) = expected {
                    let auxiliary = self.auxiliaries(user);
                    tests.push(Test { object, program, expectation, user, expected, auxiliary });
                }
            }
        }
        tests
    }

    /// Programs that tests of that user need beside them.
    fn auxiliaries(&self, user: User) -> Vec<&str> {
        let concerns = |expectation: &Expectation| match user {
            User::Privileged => expectation.privileged.is_some(),
            User::Unprivileged => expectation.unprivileged.is_some(),
        };
        self.programs().filter(|(_, e)| e.auxiliary && concerns(e)).map(|(program, _)| &*program.name).collect()
    }
}

impl Test<'_> {
    /// Why it cannot be run here, on any kernel.
    fn unfit(&self) -> Option<String> {
        let machines = &self.expectation.architectures;
        if !machines.is_empty() && !machines.contains(&std::env::consts::ARCH) {
            return Some(format!("it is for {}", machines.join(", ")));
        }
        if self.expectation.compiled == Some(false) {
            return Some("it is for kernels without a compiler".to_owned());
        }
        self.expectation.kernel_types.as_ref().map(|file| format!("it is to be relocated against '{file}'"))
    }
}

impl Results {
    fn exit(&self) -> Exit {
        if self.0.iter().any(TestResult::failed) { Exit::Negative } else { Exit::Success }
    }
}
