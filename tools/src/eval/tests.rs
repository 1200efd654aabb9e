use super::*;
use image::{GrayImage, Luma, Rgb, RgbImage};

/// A run over `data` with two qualities and few steps.
fn options(data: &Path, out: &Path) -> Options {
    Options {
        data: data.to_owned(),
        out: out.to_owned(),
        codec: codec::Kind::Jpeg,
        quality: vec![15, 40],
        planes: Planes::Colour,
        effort: 5,
        steps: Some(6),
        size: Default::default(),
        objective: Default::default(),
        jobs: 2,
        show: 1,
    }
}

fn read(out: &Path) -> Results {
    serde_json::from_slice(&std::fs::read(out.join("results.json")).unwrap()).unwrap()
}

fn texture(x: u32, y: u32) -> u8 {
    (120.0 + 50.0 * (f64::from(x) / 3.0).sin() + 40.0 * (f64::from(y * x) / 90.0).cos()) as u8
}

/// A gray picture of 61×47, a colour one of 50×66, and one smaller than a block.
fn pictures(folder: &Path) {
    let gray = GrayImage::from_fn(61, 47, |x, y| Luma([texture(x, y)]));
    gray.save(folder.join("a-gray.png")).unwrap();
    let colour = |x, y| Rgb([texture(x, y), texture(y, x), (x * 3) as u8]);
    RgbImage::from_fn(50, 66, colour).save(folder.join("b-colour.png")).unwrap();
    RgbImage::from_fn(3, 5, colour).save(folder.join("c-small.png")).unwrap();
}

/// The figures without the times.
fn figures(results: &Results) -> String {
    let mut value = serde_json::to_value(&results.points).unwrap();
    for point in value.as_array_mut().unwrap() {
        point.as_object_mut().unwrap().remove("seconds").unwrap();
    }
    value.to_string()
}

#[test]
fn a_run_is_the_same_again_and_is_taken_up() {
    let (data, first, second) = (folder(), folder(), folder());
    pictures(data.path());
    run(&options(data.path(), first.path())).unwrap();
    run(&options(data.path(), second.path())).unwrap();
    let results = read(first.path());
    assert_eq!(figures(&results), figures(&read(second.path())));
    assert_eq!(results.points.len(), 6);
    assert!(results.failures.is_empty());
    assert!(first.path().join("payloads/b-colour-q15.slp").exists());

    // As if killed: one point is missing, one was cut short, the summary is not there.
    let point = |name: &str| first.path().join("points").join(name);
    std::fs::remove_file(point("a-gray-q15.json")).unwrap();
    let whole = std::fs::read(point("b-colour-q40.json")).unwrap();
    std::fs::write(point("b-colour-q40.json"), &whole[..whole.len() / 2]).unwrap();
    std::fs::remove_file(first.path().join("results.json")).unwrap();
    let untouched = std::fs::metadata(point("c-small-q15.json")).unwrap().modified().unwrap();
    run(&options(data.path(), first.path())).unwrap();
    assert_eq!(figures(&read(first.path())), figures(&results));
    let modified = std::fs::metadata(point("c-small-q15.json")).unwrap().modified().unwrap();
    assert_eq!(modified, untouched, "a good point is measured once");

    // Another picture under the same name, or other settings, are measured anew.
    let mut other = options(data.path(), first.path());
    other.steps = Some(0);
    run(&other).unwrap();
    assert_ne!(std::fs::read(point("b-colour-q40.json")).unwrap(), whole);
    let gray = GrayImage::from_fn(61, 47, |x, y| Luma([texture(y, x)]));
    gray.save(data.path().join("a-gray.png")).unwrap();
    run(&other).unwrap();
    assert_ne!(read(first.path()).points[0].codec, results.points[0].codec);
}

/// Planes of the file that djpeg decodes, and the plain formula.
#[test]
fn psnr_agrees_with_another_program() {
    let (data, out) = (folder(), folder());
    pictures(data.path());
    run(&options(data.path(), out.path())).unwrap();
    let results = read(out.path());
    let original = image::open(data.path().join("a-gray.png")).unwrap().into_luma8();
    for point in results.points.iter().filter(|p| p.picture == "a-gray") {
        let opened = Original::new(original.clone().into(), Planes::Colour);
        let file = codec::Kind::Jpeg.open().encode(&opened, point.quality).unwrap();
        assert_eq!(file.len(), point.codec.bytes);
        let pgm = codec::command::pipe("djpeg", &["-pnm"], &file).unwrap();
        let samples = &pgm[pgm.len() - original.as_raw().len()..];
        let mut sum = 0.0;
        for (a, b) in original.as_raw().iter().zip(samples) {
            sum += (f64::from(*a) - f64::from(*b)).powi(2);
        }
        let psnr = 20.0 * 255f64.log10() - 10.0 * (sum / samples.len() as f64).log10();
        assert!((psnr - point.codec.psnr[0].unwrap()).abs() < 1e-6);
    }
}

#[test]
fn what_cannot_be_measured_is_named_and_the_rest_goes_on() {
    let (data, out) = (folder(), folder());
    let error = run(&options(data.path(), out.path())).unwrap_err();
    assert!(error.to_string().contains("no PNG files"), "{error}");
    let error = run(&options(&data.path().join("nowhere"), out.path())).unwrap_err();
    assert!(format!("{error:#}").contains("nowhere"), "{error:#}");

    std::fs::write(data.path().join("broken.png"), b"\x89PNG\r\n\x1a\nand no more").unwrap();
    let error = run(&options(data.path(), out.path())).unwrap_err();
    assert!(error.to_string().contains("no picture"), "{error}");
    assert!(!out.path().join("results.json").exists());

    pictures(data.path());
    let error = run(&options(data.path(), out.path())).unwrap_err();
    assert_eq!(error.to_string(), "1 of 4 pictures could not be measured");
    let results = read(out.path());
    assert_eq!(results.points.len(), 6);
    assert_eq!(results.failures.len(), 1);
    assert_eq!(results.failures[0].picture, "broken");

    let mut wrong = options(data.path(), out.path());
    wrong.quality = vec![0];
    assert!(run(&wrong).unwrap_err().to_string().contains("1..=100"));
    wrong.quality = vec![20, 20];
    assert!(run(&wrong).unwrap_err().to_string().contains("twice"));
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}
