//! What a run gave, as text and as JSON.

use crate::error::Failure;
use crate::map_text::MapDump;
use crate::output::Report;
use crate::style;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::{self, Write};

#[derive(Debug, Serialize)]
pub(super) struct RunReport {
    pub(super) object: String,
    pub(super) program: String,
    #[serde(rename = "type")]
    pub(super) program_type: &'static str,
    pub(super) kernel: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) engine: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) packets: Option<Packets>,
    /// How often each verdict was given.
    pub(super) verdicts: BTreeMap<String, u64>,
    pub(super) runs: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ns_per_run: Option<f64>,
    pub(super) maps: Vec<MapDump>,
    pub(super) printed: Vec<String>,
    /// Why the input ended early. What was counted until then stands.
    #[serde(skip)]
    pub(super) cut_short: Option<Failure>,
}

#[derive(Debug, Default, Serialize)]
pub(super) struct Packets {
    pub(super) count: u64,
    pub(super) bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) written: Option<u64>,
}

impl RunReport {
    /// Counts one verdict.
    pub(super) fn count(&mut self, verdict: &str) {
        match self.verdicts.get_mut(verdict) {
            Some(count) => *count += 1,
            None => _ = self.verdicts.insert(verdict.to_owned(), 1),
        }
    }
}

impl Report for RunReport {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let engine = self.engine.map(|engine| format!(", {engine}")).unwrap_or_default();
        let bold = style::TITLE;
        writeln!(out, "{bold}{}{bold:#} ({}), {} kernel{engine}", self.program, self.program_type, self.kernel)?;
        if let Some(Packets { count, bytes, written }) = &self.packets {
            let written = written.map(|n| format!(", {n} written")).unwrap_or_default();
            writeln!(out, "  {count} packets, {bytes} bytes{written}")?;
        }
        let width = self.verdicts.keys().map(String::len).max().unwrap_or(0);
        for (verdict, count) in &self.verdicts {
            writeln!(out, "  {verdict:<width$}  {count}")?;
        }
        if let Some(ns) = self.ns_per_run {
            writeln!(out, "  {ns:.0} ns per run, {} runs", self.runs)?;
        }
        for map in &self.maps {
            map.text(out)?;
        }
        if !self.printed.is_empty() {
            writeln!(out, "{bold}printed{bold:#}")?;
        }
        self.printed.iter().try_for_each(|line| writeln!(out, "  {line}"))
    }
}
