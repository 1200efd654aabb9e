//! Draws the logs of training: the gain on each set of validation, and the loss, over steps.

use super::{coded, data};
use crate::files;
use anyhow::{ensure, Context, Result};
use clap::Args;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use sidelight::network::CodecKind;
use std::ops::Range;
use std::path::{Path, PathBuf};

const WIDTH: u32 = 1000;
const TITLE_HEIGHT: u32 = 34;
const GAIN_HEIGHT: u32 = 320;
const LOSS_HEIGHT: u32 = 190;
/// Right of the panels, for the curves' labels.
const LABELS_WIDTH: u32 = 190;
/// Pixels between the middles of two labels.
const LABEL_HEIGHT: i32 = 15;
const FONT: &str = "sans-serif";
const TEXT: RGBColor = RGBColor(51, 51, 51);
const GRID: RGBColor = RGBColor(229, 229, 229);
const BETWEEN_STAGES: RGBColor = RGBColor(150, 150, 150);

/// One for each set: what belongs together has shades of a colour.
const JPEG_COLOURS: [RGBColor; data::SETS.len()] = [
    RGBColor(91, 155, 213),
    RGBColor(47, 116, 192),
    RGBColor(29, 79, 145),
    RGBColor(12, 45, 92),
    RGBColor(217, 119, 6),
    RGBColor(185, 28, 28),
    RGBColor(21, 128, 61),
];
const HEVC_COLOURS: [RGBColor; coded::SETS.len()] = [
    RGBColor(100, 160, 216),
    RGBColor(63, 130, 198),
    RGBColor(39, 102, 171),
    RGBColor(24, 74, 133),
    RGBColor(11, 44, 90),
    RGBColor(58, 163, 91),
    RGBColor(26, 107, 53),
    RGBColor(224, 138, 30),
    RGBColor(166, 90, 0),
];

#[derive(Args)]
pub struct Options {
    /// Log that pretrain wrote, or several below each other, which are drawn one after another
    log: PathBuf,
    /// SVG to write
    #[arg(long)]
    out: PathBuf,
}

pub fn run(options: &Options) -> Result<()> {
    draw(&options.log, &options.out)?;
    println!("{}", options.out.display());
    Ok(())
}

/// Draws the log `log` into the SVG `out`.
pub fn draw(log: &Path, out: &Path) -> Result<()> {
    let what = || log.display().to_string();
    let figures = figures(&std::fs::read_to_string(log).with_context(what)?);
    ensure!(!figures.is_empty(), "{}: no line of a validation", what());
    files::write(out, svg(&files::name(log), &figures)?.as_bytes())
}

/// What a line of the log says.
struct Point {
    step: u64,
    loss: f64,
    /// For each plane the gain on each set.
    gains: Vec<Vec<f64>>,
}

impl Point {
    /// `None` for other lines, and for those of which a piece is missing.
    fn parse(line: &str) -> Option<Self> {
        let (head, gains) = line.split_once(" gain ")?;
        let head: Vec<&str> = head.split(' ').collect();
        let [step, _, "s", "loss", loss] = head[..] else { return None };
        let numbers = |plane: &str| plane.split(' ').map(|g| g.parse().ok()).collect();
        let point = Self {
            step: step.parse::<u32>().ok()?.into(),
            loss: loss.parse().ok()?,
            gains: gains.split(" | ").map(numbers).collect::<Option<_>>()?,
        };
        let sets = point.gains[0].len();
        let whole = point.gains.len() <= 2 && point.gains.iter().all(|g| g.len() == sets);
        (whole && codec(sets).is_some()).then_some(point)
    }

    fn kind(&self) -> Kind {
        let codec = codec(self.gains[0].len()).expect("checked when it was read");
        Kind { codec, planes: self.gains.len() }
    }
}

/// Whose pictures this many sets are of. JPEG had five before trellis quantisation was trained on.
fn codec(sets: usize) -> Option<CodecKind> {
    match sets {
        5 | 7 => Some(CodecKind::Jpeg),
        9 => Some(CodecKind::Hevc),
        _ => None,
    }
}

/// What can share axes.
#[derive(Clone, Copy, PartialEq)]
struct Kind {
    codec: CodecKind,
    planes: usize,
}

impl Kind {
    fn sets(self) -> Vec<(&'static str, RGBColor)> {
        match self.codec {
            CodecKind::Jpeg => data::SETS.into_iter().zip(JPEG_COLOURS).collect(),
            CodecKind::Hevc => coded::SETS.into_iter().zip(HEVC_COLOURS).collect(),
        }
    }

    fn planes(self) -> &'static [&'static str] {
        match self.planes {
            1 => &["luma"],
            _ => &["Cb", "Cr"],
        }
    }
}

/// The stages of one kind, in the log's order.
struct Figure {
    kind: Kind,
    stages: Vec<Vec<Point>>,
}

/// The log's stages by kind: where steps fall, another stage begins. A step that stands there twice
/// was done again, by a run that had stopped before its checkpoint was written.
fn figures(log: &str) -> Vec<Figure> {
    let mut figures: Vec<Figure> = Vec::new();
    let mut last = None;
    for point in log.lines().filter_map(Point::parse) {
        let kind = point.kind();
        let at = figures.iter().position(|f| f.kind == kind).unwrap_or_else(|| {
            figures.push(Figure { kind, stages: Vec::new() });
            figures.len() - 1
        });
        let stages = &mut figures[at].stages;
        let before = last.filter(|(k, _)| *k == kind).map(|(_, step)| step);
        last = Some((kind, point.step));
        match stages.last_mut() {
            Some(stage) if before.is_some_and(|step| step <= point.step) => {
                stage.retain(|p| p.step < point.step);
                stage.push(point);
            }
            _ => stages.push(vec![point]),
        }
    }
    figures
}

impl Figure {
    /// Where each stage begins on the axis, and where the last one ends.
    fn starts(&self) -> Vec<u64> {
        let mut starts = vec![0];
        for stage in &self.stages {
            starts.push(starts[starts.len() - 1] + stage[stage.len() - 1].step);
        }
        starts
    }

    fn height(&self) -> u32 {
        self.kind.planes as u32 * GAIN_HEIGHT + LOSS_HEIGHT
    }

    fn curve(
        &self,
        name: &'static str,
        colour: RGBColor,
        value: impl Fn(&Point) -> Option<f64>,
    ) -> Curve {
        let stage = |(stage, start): (&Vec<Point>, u64)| {
            let place = |p: &Point| Some((start + p.step, value(p).filter(|v| v.is_finite())?));
            stage.iter().filter_map(place).collect()
        };
        Curve { name, colour, stages: self.stages.iter().zip(self.starts()).map(stage).collect() }
    }

    fn draw(&self, area: &DrawingArea<SVGBackend, Shift>) -> Result<()> {
        let mut rest = area.clone();
        for (p, plane) in self.kind.planes().iter().enumerate() {
            let curve = |(s, (name, colour)): (usize, (&'static str, RGBColor))| {
                self.curve(name, colour, move |point| point.gains[p].get(s).copied())
            };
            let curves = self.kind.sets().into_iter().enumerate().map(curve).collect();
            let (panel, below) = rest.split_vertically(GAIN_HEIGHT);
            Panel { label: format!("gain of {plane} (dB)"), curves, steps: None }
                .draw(&panel, &self.starts())?;
            rest = below;
        }
        let curves = vec![self.curve("loss", TEXT, |point| Some(point.loss))];
        let steps = if self.stages.len() == 1 { "steps" } else { "steps of all stages" };
        Panel { label: "loss".into(), curves, steps: Some(steps) }.draw(&rest, &self.starts())
    }
}

struct Curve {
    name: &'static str,
    colour: RGBColor,
    stages: Vec<Vec<(u64, f64)>>,
}

impl Curve {
    fn values(&self) -> impl DoubleEndedIterator<Item = f64> + '_ {
        self.stages.iter().flatten().map(|(_, value)| *value)
    }
}

struct Panel {
    label: String,
    curves: Vec<Curve>,
    /// What the axis of steps is called, if this panel shows it.
    steps: Option<&'static str>,
}

impl Panel {
    fn draw(&self, area: &DrawingArea<SVGBackend, Shift>, starts: &[u64]) -> Result<()> {
        let values = self.values();
        let mut chart = ChartBuilder::on(area)
            .margin_top(10)
            .margin_left(12)
            .margin_right(LABELS_WIDTH)
            .set_label_area_size(LabelAreaPosition::Left, 64)
            .set_label_area_size(
                LabelAreaPosition::Bottom,
                if self.steps.is_some() { 46 } else { 8 },
            )
            .build_cartesian_2d(0..starts[starts.len() - 1].max(1), values.clone())?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(TEXT)
            .label_style((FONT, 15).into_font().color(&TEXT))
            .x_labels(9)
            .y_labels(if self.curves.len() > 1 { 9 } else { 4 })
            .x_label_formatter(&|x| self.steps.map_or(String::new(), |_| thousands(*x)))
            .y_label_formatter(&|y| format!("{y:.2}"))
            .x_desc(self.steps.unwrap_or_default())
            .y_desc(&self.label)
            .draw()?;
        for start in &starts[1..starts.len() - 1] {
            let line = vec![(*start, values.start), (*start, values.end)];
            chart.draw_series([PathElement::new(line, BETWEEN_STAGES)])?;
        }
        for curve in &self.curves {
            for stage in curve.stages.iter().filter(|stage| !stage.is_empty()) {
                let line = stage.iter().copied();
                chart.draw_series(LineSeries::new(line, curve.colour.stroke_width(2)))?;
            }
        }
        let (_, rows) = chart.plotting_area().get_pixel_range();
        let (_, top) = area.get_base_pixel();
        let end = |curve| {
            let value = Curve::values(curve).next_back()?;
            Some((curve, value, chart.backend_coord(&(0, value)).1 - top))
        };
        label(area, self.curves.iter().filter_map(end).collect(), rows.end - top)
    }

    /// The values that the panel shows, with a little room.
    fn values(&self) -> Range<f64> {
        let values = self.curves.iter().flat_map(Curve::values);
        let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        });
        if low > high {
            return 0.0..1.0;
        }
        let room = (0.04 * (high - low)).max(1e-3);
        low - room..high + room
    }
}

/// Writes right of a panel the names of curves and their last values, which lie at the rows given.
fn label(
    area: &DrawingArea<SVGBackend, Shift>,
    mut curves: Vec<(&Curve, f64, i32)>,
    end: i32,
) -> Result<()> {
    curves.sort_by_key(|(_, _, row)| *row);
    let places = spread(curves.iter().map(|(_, _, row)| *row), end);
    let left = (WIDTH - LABELS_WIDTH) as i32;
    for ((curve, value, row), place) in curves.into_iter().zip(places) {
        let line = vec![(left + 2, row), (left + 16, place)];
        area.draw(&PathElement::new(line, curve.colour))?;
        let style = (FONT, 15).into_font().color(&curve.colour);
        let style = style.pos(Pos::new(HPos::Left, VPos::Center));
        area.draw(&Text::new(format!("{}: {value:.3}", curve.name), (left + 20, place), style))?;
    }
    Ok(())
}

/// Rows of labels near rising rows `wanted`, none above another's and all above `end`.
fn spread(wanted: impl Iterator<Item = i32>, end: i32) -> Vec<i32> {
    let mut rows: Vec<i32> = wanted.collect();
    for i in 1..rows.len() {
        rows[i] = rows[i].max(rows[i - 1] + LABEL_HEIGHT);
    }
    let mut limit = end - LABEL_HEIGHT / 2;
    for row in rows.iter_mut().rev() {
        *row = limit.min(*row);
        limit = *row - LABEL_HEIGHT;
    }
    rows
}

/// 12345 as 12,345.
fn thousands(value: u64) -> String {
    if value < 1000 {
        return value.to_string();
    }
    format!("{},{:03}", thousands(value / 1000), value % 1000)
}

fn svg(title: &str, figures: &[Figure]) -> Result<String> {
    let height = TITLE_HEIGHT + figures.iter().map(Figure::height).sum::<u32>();
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        root.fill(&WHITE)?;
        root.draw(&Text::new(title, (24, 12), (FONT, 20).into_font().color(&TEXT)))?;
        let (_, mut rest) = root.split_vertically(TITLE_HEIGHT);
        for figure in figures {
            let (area, below) = rest.split_vertically(figure.height());
            figure.draw(&area)?;
            rest = below;
        }
        root.present()?;
    }
    Ok(svg)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    /// Lines of a run's stderr; the line of 3000 is torn, 4000 was done twice.
    const LUMA: &str = "\
215 pictures, 14 held out; 7488 MAC a sample, Avx512
1000 22 s loss 0.71247 gain 0.833 0.878 0.982 1.008 1.078
2000 44 s loss 0.63230 gain 1.005 1.069 1.190 1.246 1.236
step 2000: 3 dead channels get new weights
0 1.351 1.395 1.373
3000 69 s loss 0.6211000 22 s loss 0.71247 gain 0.833 0.878 0.982 1.008 1.078
4000 374 s loss 0.59256 gain 1.413 1.555 1.791 1.878 1.669
4000 25 s loss 0.59256 gain 1.413 1.555 1.791 1.878 1.669
1000 24 s loss 0.60000 gain 1.400 1.540 1.780 1.870 1.660 0.900 1.230
2000 50 s loss 0.59967 gain 1.425 1.569 1.800 1.879 1.671 0.902 1.240
3000 51 s loss 0.59967 gain 1.425 1.569 1.800 1.879
4000 52 s loss 0.59967 gain 1.425 1.569 1.800 1.879 1.671 0.902 1.2x0
";
    const CHROMA: &str = "\
1000 30 s loss 0.82668 gain 0.886 0.905 1.116 1.0 0.876 0.836 0.992 0.752 0.990 | 0.682 0.838 0.867 0.867 0.719 0.895 0.771 0.944 0.736
2000 55 s loss NaN gain 0.888 NaN 1.115 1.0 0.874 0.836 0.990 0.753 0.990 | 0.684 0.837 0.865 0.863 0.720 0.893 0.768 0.943 0.733
3000 56 s loss 0.82425 gain 0.888 0.905 | 0.684
";

    fn steps(figure: &Figure) -> Vec<Vec<u64>> {
        figure.stages.iter().map(|stage| stage.iter().map(|p| p.step).collect()).collect()
    }

    #[test]
    fn a_log_falls_into_stages_and_broken_lines_are_left_out() {
        let all = figures(&[LUMA, CHROMA, LUMA].concat());
        let [luma, chroma] = &all[..] else { panic!("two kinds") };
        let stages = [vec![1000, 2000, 4000], vec![1000, 2000]];
        assert_eq!(steps(luma), [&stages[..], &stages[..]].concat());
        assert_eq!(steps(chroma), [[1000, 2000]]);
        assert_eq!(luma.starts(), [0, 4000, 6000, 10_000, 12_000]);
        let point = &luma.stages[0][1];
        assert_eq!((point.loss, &point.gains[0][..2]), (0.6323, &[1.005, 1.069][..]));
        assert_eq!(chroma.stages[0][0].gains[1][8], 0.736);
        assert!(figures("step 2000: 3 dead channels get new weights\n").is_empty());
    }

    /// The colours of the curves, in the order drawn; axes are thinner.
    fn curves(svg: &str) -> Vec<&str> {
        let lines = svg.lines().filter(|l| l.starts_with("<polyline"));
        let curves = lines.filter(|l| l.contains("stroke-width=\"2\""));
        curves.map(|l| l.split('"').nth(5).unwrap()).collect()
    }

    #[test]
    fn every_set_has_a_curve_and_a_label() {
        let stage = LUMA.lines().skip(8).collect::<Vec<_>>().join("\n");
        let drawn = svg("a & b", &figures(&stage)).unwrap();
        let colours = curves(&drawn);
        assert_eq!(colours.len(), data::SETS.len() + 1);
        assert!((1..colours.len()).all(|i| !colours[..i].contains(&colours[i])));
        let texts = ["a &amp; b", "gain of luma (dB)", "steps", "QF 80: 1.879", "loss: 0.600"];
        for text in texts.into_iter().chain(data::SETS) {
            assert!(drawn.contains(text), "{text}");
        }
        // Two sets are in the second stage alone.
        let drawn = svg("luma", &figures(LUMA)).unwrap();
        assert_eq!(curves(&drawn).len(), (5 + 1) + (7 + 1));
        assert!(drawn.contains("steps of all stages"));
        let drawn = svg("chroma", &figures(CHROMA)).unwrap();
        assert_eq!(curves(&drawn).len(), 2 * coded::SETS.len() + 1);
        assert!(["Cb", "Cr"].iter().all(|p| drawn.contains(&format!("gain of {p} (dB)"))));
        assert!(coded::SETS.iter().all(|name| drawn.matches(name).count() == 2));
    }

    #[test]
    fn what_diverged_is_drawn_as_empty() {
        let line = "1000 1 s loss NaN gain NaN NaN NaN NaN NaN NaN inf\n";
        assert!(curves(&svg("", &figures(line)).unwrap()).is_empty());
    }

    #[test]
    fn labels_do_not_overlap() {
        assert_eq!(spread([10, 40, 41, 100].into_iter(), 200), [10, 40, 55, 100]);
        assert_eq!(spread([10, 95, 96, 99].into_iter(), 100), [10, 63, 78, 93]);
    }

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!([0, 999, 1000, 12_034_005].map(thousands), ["0", "999", "1,000", "12,034,005"]);
    }

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: crate::pretrain::Options,
    }

    #[test]
    fn a_run_taken_up_shows_all_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let pictures = folder.path().join("pictures");
        std::fs::create_dir(&pictures).unwrap();
        // The last is held out, and must be large.
        let large = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/pictures/camera.png");
        let small = image::open(large).unwrap().crop_imm(100, 100, 64, 64);
        (10..25).for_each(|i| small.save(pictures.join(format!("{i}.png"))).unwrap());
        std::fs::copy(large, pictures.join("25.png")).unwrap();
        let file = |extension: &str| folder.path().join("small").with_extension(extension);
        let train = |more: &str| {
            let words = format!(
                "pretrain --data {} --channels 16 --hidden 1 --batch 1 --crop 32 --steps 4 --every 1 \
                 --out {}{more}",
                pictures.display(),
                file("ck").display()
            );
            crate::pretrain::run(&Line::parse_from(words.split(' ')).options).unwrap();
            let drawn = std::fs::read_to_string(file("svg")).unwrap();
            let curves = drawn.lines().filter(|l| l.contains("stroke-width=\"2\""));
            let points = curves.map(|l| l.split("points=").nth(1).unwrap().matches(',').count());
            (points.max(), figures(&std::fs::read_to_string(file("log")).unwrap()))
        };
        let (points, all) = train(" --stop-at 2");
        assert_eq!((points, steps(&all[0])), (Some(2), vec![vec![1, 2]]));
        let (points, all) = train("");
        assert_eq!((points, steps(&all[0])), (Some(4), vec![vec![1, 2, 3, 4]]));
    }
}
