//! Pictures that HEVC coded before: the data set that hevc-data makes, and training crops of it.
//!
//! For each picture in each of its rounds there are `<round>/<name>.csv`, an [`Entry`] for each
//! sample, and `<round>/<name>.yuv`, for each sample the original and the decoded planes in 4:2:0.

use super::source::{Crop, Source};
use super::Part;
use crate::media::luma::Luma;
use crate::media::planes::Planes;
use anyhow::{ensure, Context, Result};
use rand::Rng;
use rand_pcg::Pcg64Mcg;
use serde::{Deserialize, Serialize};
use sidelight::network::condition::MAX_QP;
use sidelight::network::CodecKind;
use sidelight::{Condition, Layout, PictureType};
use std::path::Path;

/// Crops start at multiples of this, so that the codec's 8×8 grid of luma and of chroma stays where
/// the network expects it.
const GRID: usize = 16;
/// Squared error of Y, Cb, Cr at a quantiser step s, roughly: factor · s^power, fitted to the data.
const ERRORS: [(f32, f32); 3] = [(0.2, 1.3), (0.32, 0.8), (0.33, 0.79)];
/// What doubling the rate gains in dB.
const DB_PER_DOUBLING: f64 = 4.3;
/// Intra pictures are validated at these QPs, give or take [`NEAR`].
const QPS: [u8; 5] = [22, 27, 32, 37, 42];
const NEAR: u8 = 2;
/// P and B pictures are validated up to this QP and above.
const MIDDLE_QP: u8 = 32;
/// The sets of validation: intra at each of [`QPS`], P and B.
pub const SETS: [&str; 9] = [
    "intra, QP 22",
    "intra, QP 27",
    "intra, QP 32",
    "intra, QP 37",
    "intra, QP 42",
    "P up to QP 32",
    "P above QP 32",
    "B up to QP 32",
    "B above QP 32",
];
/// Most crops in a set of validation.
const SET: usize = 40;

/// How a picture was predicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Type {
    I,
    P,
    B,
}

impl From<PictureType> for Type {
    fn from(of: PictureType) -> Self {
        match of {
            PictureType::Irap | PictureType::I => Self::I,
            PictureType::P => Self::P,
            PictureType::B => Self::B,
        }
    }
}

/// A sample of the data set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// For validation.
    pub held_out: bool,
    /// From a clip, not a still picture.
    pub clip: bool,
    pub picture_type: Type,
    pub qp: u8,
    pub width: usize,
    pub height: usize,
    /// Samples of the picture or of all pictures of the clip, and bits that they take.
    pub coded: u64,
    pub bits: u64,
}

impl Entry {
    /// Bytes of its planes.
    fn bytes(&self) -> usize {
        self.width * self.height * 3 / 2
    }

    fn condition(&self, qp: u8, layout: Layout) -> Condition {
        let picture_type = match self.picture_type {
            Type::I => PictureType::Irap,
            Type::P => PictureType::P,
            Type::B => PictureType::B,
        };
        Condition::from_hevc_qp(qp, picture_type, layout)
    }
}

/// The entries of an index, checked.
pub fn read_index(csv: &[u8]) -> Result<Vec<Entry>> {
    let entries: Vec<Entry> =
        csv::Reader::from_reader(csv).deserialize().collect::<Result<_, _>>()?;
    for e in &entries {
        let whole = e.width.is_multiple_of(GRID) && e.height.is_multiple_of(GRID);
        ensure!(whole && e.width * e.height > 0, "{}×{} samples", e.width, e.height);
        ensure!(e.qp <= MAX_QP && e.coded > 0, "a QP of {}", e.qp);
    }
    Ok(entries)
}

struct Sample {
    entry: Entry,
    original: Planes,
    decoded: Planes,
}

impl Sample {
    /// The `size × size` samples at (`y`, `x`), turned, for `layout`, as if coded with `qp`.
    fn crop(&self, at: (usize, usize), size: usize, turn: u32, qp: u8, layout: Layout) -> Crop {
        let cut = |p: &Planes| {
            let mut planes = p.crop(at.0, at.1, size, turn).planes;
            planes.truncate(layout.planes());
            Planes { layout, planes }
        };
        Crop {
            original: cut(&self.original),
            decoded: cut(&self.decoded),
            condition: self.entry.condition(qp, layout),
            expected: expected_errors(qp),
        }
    }

    fn fits(&self, size: usize) -> bool {
        self.entry.width.min(self.entry.height) >= size
    }
}

/// A data set in memory.
pub struct Coded {
    samples: Vec<Sample>,
    /// Training samples: still pictures, and I, P, B pictures of clips.
    train: [Vec<usize>; 4],
    held_out: Vec<usize>,
}

impl Coded {
    /// Reads what is there of the data set in `folder`.
    pub fn open(folder: &Path) -> Result<Self> {
        let mut indices = Vec::new();
        for round in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
            let round = round?.path();
            if round.is_dir() {
                for file in std::fs::read_dir(round)? {
                    let file = file?.path();
                    if file.extension().is_some_and(|e| e == "csv") {
                        indices.push(file);
                    }
                }
            }
        }
        indices.sort();
        let mut samples = Vec::new();
        for index in indices {
            let what = || index.display().to_string();
            let entries = read_index(&std::fs::read(&index)?).with_context(what)?;
            let raw = std::fs::read(index.with_extension("yuv")).with_context(what)?;
            let wanted: usize = entries.iter().map(|e| 2 * e.bytes()).sum();
            ensure!(raw.len() == wanted, "{}: {} bytes of samples", what(), raw.len());
            let mut rest = &raw[..];
            for entry in entries {
                let mut next = || {
                    let (own, others) = rest.split_at(entry.bytes());
                    rest = others;
                    planes(entry.width, entry.height, own)
                };
                let (original, decoded) = (next(), next());
                samples.push(Sample { entry, original, decoded });
            }
        }
        let mut all = Self { samples, train: Default::default(), held_out: Vec::new() };
        for (i, Sample { entry, .. }) in all.samples.iter().enumerate() {
            let group = match (entry.clip, entry.picture_type) {
                (false, _) => 0,
                (true, Type::I) => 1,
                (true, Type::P) => 2,
                (true, Type::B) => 3,
            };
            if entry.held_out {
                all.held_out.push(i);
            } else {
                all.train[group].push(i);
            }
        }
        let enough = all.train.iter().all(|g| !g.is_empty()) && !all.held_out.is_empty();
        ensure!(enough, "{}: samples of some kind are missing", folder.display());
        Ok(all)
    }

    /// A random training sample: 2 in 5 are still pictures, the others each type of a clip's alike.
    fn draw(&self, rng: &mut Pcg64Mcg) -> &Sample {
        let group = &self.train[rng.random_range(0..5usize).saturating_sub(1)];
        &self.samples[group[rng.random_range(0..group.len())]]
    }
}

impl Source for Coded {
    fn codec(&self) -> CodecKind {
        CodecKind::Hevc
    }

    fn counts(&self) -> (usize, usize) {
        (self.train.iter().map(Vec::len).sum(), self.held_out.len())
    }

    fn crop(&self, size: usize, part: Part, rng: &mut Pcg64Mcg) -> Result<Crop> {
        let sample = loop {
            let sample = self.draw(rng);
            if sample.fits(size) {
                break sample;
            }
        };
        let mut start = |side: usize| GRID * rng.random_range(0..=(side - size) / GRID);
        let at = (start(sample.entry.height), start(sample.entry.width));
        // Neighbouring QPs look the same: the condition acts smoothly.
        let qp = (sample.entry.qp + rng.random_range(0..=2)).saturating_sub(1).min(MAX_QP);
        let (turn, layout) = match part {
            Part::Luma => (rng.random_range(0..8), Layout::I400),
            // Chroma is sited left: only upside down it stays where it is.
            Part::Chroma => (2 * rng.random_range(0..2), Layout::I420),
        };
        Ok(sample.crop(at, size, turn, qp, layout))
    }

    fn square(&self, colour: bool, rng: &mut Pcg64Mcg) -> Result<(Crop, f64)> {
        let sample = self.draw(rng);
        let entry = &sample.entry;
        let size = entry.width.min(entry.height);
        let layout = if colour { Layout::I420 } else { Layout::I400 };
        let crop = sample.crop((0, 0), size, 0, entry.qp, layout);
        // A clip's update is for all its pictures.
        let share = if entry.clip { 1.0 } else { (size * size) as f64 / entry.coded as f64 };
        Ok((crop, share * entry.bits as f64 / 8.0))
    }

    fn db_per_doubling(&self) -> f64 {
        DB_PER_DOUBLING
    }

    /// The middle of held-out samples, for each of [`SETS`].
    fn validation(&self, size: usize, part: Part) -> Result<Vec<Vec<Crop>>> {
        let layout = match part {
            Part::Luma => Layout::I400,
            Part::Chroma => Layout::I420,
        };
        let set = |belongs: &dyn Fn(&Entry) -> bool| -> Vec<Crop> {
            let own = self.held_out.iter().map(|i| &self.samples[*i]);
            let own: Vec<_> = own.filter(|s| s.fits(size) && belongs(&s.entry)).collect();
            // Spread evenly where there are too many.
            let count = own.len().min(SET);
            let spread = (0..count).map(|i| own[i * own.len() / count]);
            let middle = |side: usize| (side - size) / 2 / GRID * GRID;
            let crop = |s: &Sample| {
                let at = (middle(s.entry.height), middle(s.entry.width));
                s.crop(at, size, 0, s.entry.qp, layout)
            };
            spread.map(crop).collect()
        };
        let intra = |qp: &u8| set(&|e| e.picture_type == Type::I && e.qp.abs_diff(*qp) <= NEAR);
        let mut sets: Vec<_> = QPS.iter().map(intra).collect();
        for t in [Type::P, Type::B] {
            sets.push(set(&|e| e.picture_type == t && e.qp <= MIDDLE_QP));
            sets.push(set(&|e| e.picture_type == t && e.qp > MIDDLE_QP));
        }
        Ok(sets)
    }
}

/// Squared error that planes coded with `qp` have, roughly.
fn expected_errors(qp: u8) -> [f32; 3] {
    let log_step = (f32::from(qp) - 4.0) / 6.0;
    ERRORS.map(|(factor, power)| factor * (power * log_step).exp2())
}

/// Planes in 4:2:0 from their samples one after the other.
fn planes(width: usize, height: usize, raw: &[u8]) -> Planes {
    let (luma, chroma) = raw.split_at(width * height);
    let (cb, cr) = chroma.split_at(chroma.len() / 2);
    let half = |data: &[u8]| Luma { width: width / 2, height: height / 2, data: data.to_vec() };
    let luma = Luma { width, height, data: luma.to_vec() };
    Planes { layout: Layout::I420, planes: vec![luma, half(cb), half(cr)] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    const INDEX: &str = "held_out,clip,picture_type,qp,width,height,coded,bits\n\
                         false,false,I,22,128,112,14336,9000\n\
                         true,true,B,40,256,256,1114112,70000\n";

    /// A sample whose luma, and chroma, tells where it is.
    fn sample(entry: Entry) -> Sample {
        let (w, h) = (entry.width, entry.height);
        let luma = (0..w * h).map(|i| (i % w % 16 + i / w % 16 * 16) as u8);
        let chroma = (0..w * h / 4).map(|i| (i % (w / 2) % 8 + i / (w / 2) % 8 * 8) as u8);
        let raw: Vec<u8> = luma.chain(chroma.clone()).chain(chroma).collect();
        Sample { entry, original: planes(w, h, &raw), decoded: planes(w, h, &raw) }
    }

    #[test]
    fn indices_are_read_and_checked() {
        let entries = read_index(INDEX.as_bytes()).unwrap();
        let [still, clip] = &entries[..] else { panic!("two samples") };
        assert_eq!((still.held_out, still.clip, still.picture_type), (false, false, Type::I));
        assert_eq!((clip.held_out, clip.clip, clip.picture_type), (true, true, Type::B));
        assert_eq!((still.qp, still.width, still.height, still.bits), (22, 128, 112, 9000));
        assert_eq!(clip.condition(40, Layout::I400).0[..5], [512, 256, 0, 0, 256]);
        for (from, to) in [("112,", "113,"), (",22,", ",52,"), (",I,", ",X,"), (",9000", "")] {
            assert!(read_index(INDEX.replacen(from, to, 1).as_bytes()).is_err(), "{to}");
        }
    }

    #[test]
    fn crops_keep_the_grid() {
        let entry = read_index(INDEX.as_bytes()).unwrap().remove(0);
        let samples = (0..4).map(|_| sample(entry.clone())).collect();
        let all = Coded { samples, train: [0, 1, 2, 3].map(|i| vec![i]), held_out: Vec::new() };
        let mut rng = Pcg64Mcg::seed_from_u64(1);
        for _ in 0..50 {
            let luma = all.crop(96, Part::Luma, &mut rng).unwrap().original;
            assert_eq!((luma.size(), luma.planes.len()), ((96, 96), 1));
            // A corner of a 16×16 block, turned somehow.
            assert!([0, 15, 240, 255].contains(&luma.planes[0].data[0]));
            let colour = all.crop(96, Part::Chroma, &mut rng).unwrap().original;
            assert_eq!((colour.planes[1].width, colour.planes[2].data.len()), (48, 48 * 48));
            let corners = [0, 1, 2].map(|p| colour.planes[p].data[0]);
            assert!([[0, 0, 0], [240, 56, 56]].contains(&corners));
        }
    }
}
