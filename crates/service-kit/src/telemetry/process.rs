//! The `process_*` metrics, from `/proc`; where there is none, there are no such metrics.

use std::fs;

use metrics::gauge;

/// Kernel clock ticks a second, as seen from user space: 100 on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;
const PAGE_BYTES: f64 = 4096.0;

pub(super) fn measure() {
    // The fields after the command's closing parenthesis; the first of them is number 3 in proc(5).
    let Ok(stat) = fs::read_to_string("/proc/self/stat") else { return };
    let Some((_, fields)) = stat.rsplit_once(") ") else { return };
    let fields: Vec<f64> = fields.split(' ').map(|field| field.trim().parse().unwrap_or(0.0)).collect();
    let field = |number: usize| fields.get(number - 3).copied().unwrap_or(0.0);
    gauge!("process_cpu_seconds_total").set((field(14) + field(15)) / TICKS_PER_SECOND);
    gauge!("process_threads").set(field(20));
    gauge!("process_virtual_memory_bytes").set(field(23));
    gauge!("process_resident_memory_bytes").set(field(24) * PAGE_BYTES);
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        gauge!("process_open_fds").set(open.count() as f64);
    }
    if let Some(booted) = boot_time() {
        gauge!("process_start_time_seconds").set(booted + field(22) / TICKS_PER_SECOND);
    }
}

/// Seconds since 1970.
fn boot_time() -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_process_measures_itself() {
        let text = crate::telemetry::metrics::render();
        let value = |name: &str| -> f64 {
            let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().parse().unwrap()
        };
        assert!(value("process_resident_memory_bytes ") > 1_000_000.0);
        assert!(value("process_open_fds ") > 2.0);
        assert!(value("process_start_time_seconds ") > 1_600_000_000.0);
    }
}
