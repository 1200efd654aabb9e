mod browser;

use super::{run, synthetic, Options};
use browser::Browser;
use std::io::Write;
use std::path::{Path, PathBuf};

fn options(folder: &Path) -> Options {
    Options { out: folder.to_owned(), beside: Vec::new() }
}

/// The page of the made-up evaluation.
fn page(folder: &Path) -> PathBuf {
    synthetic::write(folder);
    run(&options(folder)).unwrap();
    folder.join("report.html")
}

#[test]
fn the_page_needs_neither_peers_nor_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let whole = std::fs::read_to_string(page(folder.path())).unwrap();
    assert!(whole.contains("data:image/") && whole.contains("ffmpeg spp"));
    assert!(whole.contains("\\u003cas published>"));
    for file in ["peers.json", "update_coders.json"] {
        std::fs::remove_file(folder.path().join(file)).unwrap();
    }
    std::fs::remove_dir_all(folder.path().join("pictures")).unwrap();
    run(&options(folder.path())).unwrap();
    let bare = std::fs::read_to_string(folder.path().join("report.html")).unwrap();
    assert!(!bare.contains("data:image/"));
    std::fs::write(folder.path().join("peers.json"), "{").unwrap();
    assert!(run(&options(folder.path())).is_err());
}

#[test]
fn another_evaluation_stands_beside() {
    let [folder, other] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let alone = std::fs::read_to_string(page(folder.path())).unwrap();
    synthetic::write(other.path());
    let options = Options { beside: vec![other.path().to_owned()], ..options(folder.path()) };
    run(&options).unwrap();
    let whole = std::fs::read_to_string(folder.path().join("report.html")).unwrap();
    for name in [r#""name":"jpeg","#, r#""name":"jpeg, base","#, r#""name":"jpeg, update","#] {
        assert!(whole.contains(name) && !alone.contains(name), "{name}");
    }
    let nowhere = vec![other.path().join("nowhere")];
    assert!(run(&Options { beside: nowhere, ..options }).is_err());
}

#[test]
#[ignore = "needs Chromium: make -C tools test-report"]
fn the_page_works_in_a_browser() {
    let Some(mut browser) = Browser::start() else {
        let message = "skipped: there is no Chromium here; tools/setup.sh report installs it";
        writeln!(std::io::stderr(), "{message}").unwrap(); // past libtest, which holds back eprintln
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let page = page(folder.path());
    browser.look(1280, "light");
    browser.open(&page);
    tables(&mut browser);
    curves(&mut browser);
    line(&mut browser);
    zoom(&mut browser);
    difference(&mut browser);
    screenshots(&mut browser);
    let complaints = browser.complaints();
    assert!(complaints.is_empty(), "{complaints:#?}");
}

fn tables(browser: &mut Browser) {
    assert_eq!(browser.number("document.querySelectorAll('#qualities tbody tr').length"), 12.0);
    let first = "document.querySelector('#rates tbody tr:nth-child(2)').textContent";
    let before = browser.value(first);
    browser.click("#rates th:nth-child(2) button");
    browser.click("#rates th:nth-child(2) button");
    assert_ne!(browser.value(first), before, "sorting downwards changes the order");
    let losses = browser.value("document.querySelector('#losses tbody').textContent");
    assert!(losses.as_str().unwrap().contains("coffee40base against codecPSNR-Y"), "{losses}");
    let coders = browser.value("document.querySelector('#coders').textContent");
    assert!(coders.as_str().unwrap().contains("<as published>"), "{coders}");
}

fn curves(browser: &mut Browser) {
    let names = "[...document.querySelectorAll('#rd .chart g')].map(g => g.dataset.name).join()";
    assert_eq!(browser.value(names), "codec,base,update,WebP,ffmpeg spp");
    browser.click("#rd .legend button:last-child");
    assert_eq!(browser.value(names), "codec,base,update,WebP", "the legend hides a curve");
    let path = "document.querySelector('#rd g path').getAttribute('d')";
    let mean = browser.value(path);
    browser.value("document.querySelector('#rd-picture').focus()");
    browser.key("ArrowDown");
    assert_eq!(browser.value("document.querySelector('#rd-picture').value"), "chelsea");
    let of_picture = browser.value(path);
    assert_ne!(of_picture, mean, "the picture chosen changes the curve");
    browser.click("#rd button[value=yuv]");
    assert_ne!(browser.value(path), of_picture, "the distortion chosen changes the curve");
    let of_yuv = browser.value(path);
    browser.click("#rd button[value=ssimulacra2]");
    assert_ne!(browser.value(path), of_yuv, "as does another");
    browser.click("#rd button[value=yuv]");
    browser.value("document.querySelector('#rd .chart svg').focus()");
    browser.key("ArrowRight");
    let tip = browser.value("document.querySelector('#rd .tip').textContent");
    assert!(tip.as_str().unwrap().starts_with("codecQF 10"), "{tip}");
}

fn line(browser: &mut Browser) {
    let loaded = "[...document.querySelectorAll('.layer img')].every(i => i.naturalWidth === 240)";
    browser.until(loaded);
    let [x, y, width, height] = browser.place(".frame");
    let middle = y + height / 2.0;
    let before = browser.value("getComputedStyle(document.querySelector('.layer.left')).clipPath");
    browser.drag((x + width / 2.0, middle), (x + width / 4.0, middle));
    let cut = "Number(document.querySelector('.divider').ariaValueNow)";
    assert_eq!(browser.number(cut), 25.0);
    let after = browser.value("getComputedStyle(document.querySelector('.layer.left')).clipPath");
    assert_ne!(before, after, "the clip follows the line");
    browser.value("document.querySelector('.divider').focus()");
    browser.key("ArrowRight");
    browser.key("ArrowRight");
    assert_eq!(browser.number(cut), 27.0);
}

fn zoom(browser: &mut Browser) {
    let width = "document.querySelector('.layer img').getBoundingClientRect().width";
    let left = "document.querySelector('.layer img').getBoundingClientRect().left";
    browser.click(".compare button[value='8']");
    assert_eq!(browser.number(width), 8.0 * 240.0);
    let rendering = "getComputedStyle(document.querySelector('.layer img')).imageRendering";
    assert_eq!(browser.value(rendering), "pixelated");
    browser.value("document.querySelector('.frame').focus()");
    browser.key("+");
    assert_eq!(browser.number(width), 16.0 * 240.0);
    let [x, y, ..] = browser.place(".frame");
    let before = browser.number(left);
    browser.drag((x + 300.0, y + 100.0), (x + 200.0, y + 100.0));
    assert_eq!(browser.number(left), before - 100.0, "dragging pans");
    browser.key("ArrowLeft");
    assert_eq!(browser.number(left), before - 52.0);
    browser.wheel((x + 300.0, y + 100.0), 200.0);
    assert!(browser.number(width) < 16.0 * 240.0, "the wheel zooms");
    browser.click(".compare button[value='4']");
    let [x, y, ..] = browser.place(".frame");
    browser.pinch((x + 300.0, y + 100.0), 60.0, 120.0);
    assert_eq!(browser.number(width), 8.0 * 240.0, "two fingers zoom");
    browser.click(".compare button[value='1']");
    assert_eq!(browser.number(width), 240.0);
}

fn difference(browser: &mut Browser) {
    browser.click(".compare .difference");
    let said = "document.querySelector('.compare .bar .note').textContent";
    browser.until(&format!("{said}.startsWith('difference')"));
    let largest = "(() => { const c = document.querySelector('.frame canvas');
        const pixels = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
        return Math.max(...pixels.filter((_, i) => i % 4 < 3)); })()";
    assert!(browser.number(largest) > 8.0);
    browser.click(".compare [aria-label=Right] button[value=codec]");
    browser.until(&format!("{said}.endsWith('mean 0.00, largest 0')"));
    assert_eq!(browser.number(largest), 0.0, "a variant does not differ from itself");
    browser.click(".compare [aria-label=Right] button[value=update]");
    browser.click(".compare .difference");
    browser.click(".compare button[value='4']");
}

/// For eyes: target/report-test-*.png.
fn screenshots(browser: &mut Browser) {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"), PathBuf::from);
    for (width, scheme) in [(1280, "light"), (1280, "dark"), (420, "light")] {
        browser.look(width, scheme);
        let file = target.join(format!("report-test-{width}-{scheme}.png"));
        std::fs::write(file, browser.screenshot()).unwrap();
    }
}
