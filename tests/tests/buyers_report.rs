//! The report for a buyer: written only about verified evidence, and shown as it should be by a real browser.

use anyhow::{ensure, Context, Result};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};
use streembit_tests::{path_str, run_test, str_at, GatewayFixture, TestEnv};

const ODOMETER: &str = "Vehicle.TraveledDistance";
/// The readings of the odometer. It is rolled back once.
const KILOMETRES: [&str; 5] = ["48000", "48120.5", "48333", "31000", "31020"];
/// A4 in points.
const A4: (f64, f64) = (595.3, 841.9);

#[test]
fn a_buyer_reads_the_report_in_a_browser_and_on_paper() {
    run_test("buyers-report", |env| {
        let (file, root) = evidence_of_a_used_car(env)?;
        let page = env.dir().join("report.html");
        let written = report(env, &file, &root, &page)?;
        ensure!(str_at(&written, "/report")? == path_str(&page)?, "{written}");
        let html = fs::read_to_string(&page)?;
        for words in ["Verified.", "48,000 km to 31,020 km", "lower than before", "What is only said"] {
            ensure!(html.contains(words), "the report does not say {words:?}:\n{html}");
        }
        ensure_nothing_is_written_about_a_changed_file(env, &file, &root)?;

        let Some(browser) = Browser::find(env) else {
            eprintln!(
                "!!! NOT TESTED HERE: the report in a browser, which needs chromium (.ci/setup --tests)"
            );
            return Ok(());
        };
        browser.ensure_quiet(&page)?;
        browser.ensure_paper_is_a4(&page)?;
        browser.ensure_picture(&page, (1280, 2000), "desktop.png")?;
        browser.ensure_picture(&page, (500, 4000), "phone.png")?;
        browser.ensure_injected_script_does_not_run(&html)
    });
}

/// Exports the evidence of a device whose odometer fell, and returns it with the trust root.
fn evidence_of_a_used_car(env: &TestEnv) -> Result<(PathBuf, String)> {
    let fixture = GatewayFixture::with_hosted_device(env)?;
    for kilometres in KILOMETRES {
        fixture.add_reading("shed", ODOMETER, "km", kilometres)?;
    }
    let events = fixture.wait_until_anchored()?.anchored;
    fixture.gateway.wait_until_provable(events, 60)?;
    let file = fixture.gateway.export_evidence(env, "shed", &[], "shed.evidence")?;
    let root = env.streembit(["audit", "root", "--node", fixture.node.url().as_str()]).ok()?.stdout;
    Ok((file, root.trim().to_owned()))
}

fn report(env: &TestEnv, file: &Path, root: &str, page: &Path) -> Result<serde_json::Value> {
    let arguments = ["audit", "report", path_str(file)?, "--trust-root", root, "-o", path_str(page)?];
    env.streembit(arguments).json()
}

fn ensure_nothing_is_written_about_a_changed_file(env: &TestEnv, file: &Path, root: &str) -> Result<()> {
    let (changed, page) = (env.dir().join("changed.evidence"), env.dir().join("changed.html"));
    let mut bytes = fs::read(file)?;
    let middle = bytes.len() / 2;
    *bytes.get_mut(middle).context("the file is empty")? ^= 1;
    fs::write(&changed, bytes)?;
    let arguments = ["audit", "report", path_str(&changed)?, "--trust-root", root, "-o", path_str(&page)?];
    let refused = env.streembit(arguments).run()?;
    ensure!(refused.code == 1 && refused.stdout.contains("NOT VERIFIED"), "{refused:#?}");
    ensure!(!page.exists(), "a report about a changed file was written");
    Ok(())
}

/// Debian's Chromium, without a window.
struct Browser {
    program: &'static str,
    folder: PathBuf,
}

impl Browser {
    fn find(env: &TestEnv) -> Option<Self> {
        let answers = |program: &&str| {
            let version = Command::new(program).arg("--version").output();
            version.is_ok_and(|output| output.status.success())
        };
        let program = ["chromium", "google-chrome"].into_iter().find(answers)?;
        Some(Self { program, folder: env.dir().to_owned() })
    }

    fn open(&self, page: &Path, arguments: &[String]) -> Result<Output> {
        let output = Command::new("timeout")
            .args(["120", self.program, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"])
            .args(["--disable-dev-shm-usage", "--hide-scrollbars", "--enable-logging=stderr"])
            .arg(format!("--user-data-dir={}", self.folder.join("browser").display()))
            .args(arguments)
            .arg(format!("file://{}", path_str(page)?))
            .output()
            .with_context(|| format!("running {}", self.program))?;
        ensure!(output.status.success(), "{}: {output:?}", self.program);
        Ok(output)
    }

    /// The browser complains about nothing: its own policy allows the page all it has.
    fn ensure_quiet(&self, page: &Path) -> Result<()> {
        let output = self.open(page, &["--dump-dom".into()])?;
        let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(!complaints.contains("CONSOLE"), "{complaints}");
        Ok(())
    }

    fn ensure_paper_is_a4(&self, page: &Path) -> Result<()> {
        let paper = self.folder.join("report.pdf");
        self.open(page, &["--no-pdf-header-footer".into(), format!("--print-to-pdf={}", paper.display())])?;
        let pdf = fs::read(&paper)?;
        let text = String::from_utf8_lossy(&pdf);
        let boxes: Vec<_> = text.split("/MediaBox").skip(1).filter_map(media_box).collect();
        ensure!(!boxes.is_empty(), "the PDF has no pages");
        for (width, height) in boxes {
            let is_a4 = (width - A4.0).abs() < 2.0 && (height - A4.1).abs() < 2.0;
            ensure!(is_a4, "a page has {width} x {height} points");
        }
        Ok(())
    }

    fn ensure_picture(&self, page: &Path, (width, height): (u32, u32), name: &str) -> Result<()> {
        let picture = self.folder.join(name);
        let arguments =
            [format!("--window-size={width},{height}"), format!("--screenshot={}", picture.display())];
        self.open(page, &arguments)?;
        let png = fs::read(&picture)?;
        ensure!(png.starts_with(b"\x89PNG"), "{name} is no picture");
        // An empty page of this size has a few kilobytes.
        ensure!(png.len() > 20_000, "{name} has {} bytes: nothing was drawn", png.len());
        Ok(())
    }

    /// Even if somebody got a script into the page, the page's policy keeps it from running.
    fn ensure_injected_script_does_not_run(&self, html: &str) -> Result<()> {
        let attack = "<script>document.title = 'changed by a script'</script></body>";
        let page = self.folder.join("attacked.html");
        fs::write(&page, html.replacen("</body>", attack, 1))?;
        let output = self.open(&page, &["--dump-dom".into()])?;
        let shown = String::from_utf8_lossy(&output.stdout);
        ensure!(!shown.contains("<title>changed by a script"), "a script ran:\n{shown}");
        let complaints = String::from_utf8_lossy(&output.stderr);
        ensure!(complaints.contains("Content Security Policy"), "nothing was blocked:\n{complaints}");
        Ok(())
    }
}

/// Returns width and height after `/MediaBox`: `[0 0 594.96 841.92]`.
fn media_box(text: &str) -> Option<(f64, f64)> {
    let inside = text.trim_start().strip_prefix('[')?.split(']').next()?;
    let numbers: Vec<f64> = inside.split_whitespace().filter_map(|number| number.parse().ok()).collect();
    match numbers.as_slice() {
        [left, bottom, right, top] => Some((right - left, top - bottom)),
        _ => None,
    }
}
