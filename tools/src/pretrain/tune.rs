//! Learns from fine-tuned training pictures how a model's updates are coded: the classes of its
//! channels and the initial states of the contexts.

use super::source::Source;
use super::Material;
use crate::files;
use anyhow::{ensure, Context, Result};
use clap::Args;
use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;
use sidelight::adapt::distortion::{Distortion, PlaneErrors};
use sidelight::adapt::task::{Example, Objective, Task};
use sidelight::adapt::trainer::fine_tune;
use sidelight::cpu::CpuLevel;
use sidelight::entropy::{Price, Writer};
use sidelight::network::prior::{ChannelClass, InitialStates, LayerClasses, UpdatePrior, CONTEXTS};
use sidelight::network::prior::{LEVELS, MAX_NETWORKS};
use sidelight::network::update::{LayerUpdate, Update};
use sidelight::network::Model;
use sidelight::payload::{trace, update};
use std::path::PathBuf;

#[derive(Args)]
pub struct Options {
    /// What the model was trained on
    #[command(flatten)]
    material: Material,
    /// Model file to tune
    #[arg(long)]
    model: PathBuf,
    /// Model file to write
    #[arg(long)]
    out: PathBuf,
    /// Pictures to fine-tune on
    #[arg(long, default_value_t = 100)]
    pictures: usize,
    /// Threads
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

pub fn run(options: &Options) -> Result<()> {
    ensure!(options.pictures > 0, "no pictures to learn from");
    let bytes =
        std::fs::read(&options.model).with_context(|| options.model.display().to_string())?;
    let mut model = Model::from_bytes(&bytes)?;
    let source = options.material.open(false)?;
    let updates = updates(&*source, &model, options)?;
    // What others' updates gain: learnt from four in five, measured on the fifth.
    let fifth = updates.len() / 5;
    if fifth > 0 {
        let (known, held_out) = updates.split_at(updates.len() - fifth);
        report("held-out", held_out, &model.prior, &learn(known, &model.prior)?)?;
    }
    let prior = learn(&updates, &model.prior)?;
    report("all", &updates, &model.prior, &prior)?;
    model.prior = prior;
    files::write(&options.out, &model.write_file())?;
    println!("{}: id {:08x}", options.out.display(), model.id);
    Ok(())
}

fn updates(source: &dyn Source, model: &Model, options: &Options) -> Result<Vec<Update>> {
    let mut rng = Pcg64Mcg::seed_from_u64(5);
    let bar = indicatif::ProgressBar::new(options.pictures as u64);
    let mut updates = Vec::new();
    for _ in 0..options.pictures {
        let (crop, bytes) = source.square(model.chroma.is_some(), &mut rng)?;
        let example = Example {
            original: crop.original(),
            decoded: crop.decoded(),
            condition: crop.condition,
            // The base model gains about a decibel.
            base_mse: PlaneErrors(crop.errors().map(|e| 0.78 * e)),
        };
        let task = Task {
            examples: &[example],
            model,
            distortion: Distortion::new(model.chroma.is_some()),
            db_per_bit: source.db_per_doubling() / std::f64::consts::LN_2 / bytes / 8.0,
            steps: 300,
            objective: Objective::RateDistortion,
            tiles: 2,
            budget: None,
            threads: options.threads,
            level: CpuLevel::current(),
        };
        updates.push(fine_tune(&task, &mut |_| true)?.round(0.65, 1.0));
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(updates)
}

fn report(of: &str, updates: &[Update], before: &UpdatePrior, after: &UpdatePrior) -> Result<()> {
    let mean = |prior| Ok::<_, anyhow::Error>(bits(updates, prior)? / 8.0 / updates.len() as f64);
    let (before, after) = (mean(before)?, mean(after)?);
    println!("{of} {} updates: {before:.2} bytes each before, {after:.2} after", updates.len());
    Ok(())
}

/// Price of all updates in bits.
fn bits(updates: &[Update], prior: &UpdatePrior) -> Result<f64> {
    let price = |u| Ok(u64::from(update::price(u, prior)?));
    Ok(updates.iter().map(price).sum::<Result<u64>>()? as f64 / 256.0)
}

fn learn(updates: &[Update], start: &UpdatePrior) -> Result<UpdatePrior> {
    tables(updates, UpdatePrior::new(*start.table(), classes(updates, start))?)
}

/// How often an event came to one channel, out of how many chances.
#[derive(Clone, Copy, Default)]
struct Count {
    events: f64,
    chances: f64,
}

impl Count {
    fn add(&mut self, event: bool) {
        self.events += f64::from(u8::from(event));
        self.chances += 1.0;
    }

    /// What `chances` would bring if the channel's own rate were mixed with `weight` chances of
    /// `rate`.
    fn smoothed(self, rate: f64, weight: f64) -> Self {
        let mixed = (self.events + weight * rate) / (self.chances + weight);
        Self { events: mixed * self.chances, ..self }
    }

    /// Bits that an ideal coder takes that knows the rate.
    fn entropy(self) -> f64 {
        let bits = |n: f64| if n > 0.0 { n * (self.chances / n).log2() } else { 0.0 };
        bits(self.events) + bits(self.chances - self.events)
    }
}

/// The classes of all channels, those of scales apart from those of biases.
fn classes(updates: &[Update], start: &UpdatePrior) -> Vec<Vec<LayerClasses>> {
    let scales = classes_of(updates, |layer| &layer.scale);
    let biases = classes_of(updates, |layer| &layer.bias);
    let (mut scales, mut biases) = (scales.into_iter(), biases.into_iter());
    let mut number = 0;
    let mut layer = |layer: &LayerClasses| {
        let (row_level, column_level) = levels(updates, number, layer.shape());
        number += 1;
        LayerClasses {
            scale: scales.by_ref().take(layer.scale.len()).collect(),
            bias: biases.by_ref().take(layer.bias.len()).collect(),
            row_level,
            column_level,
        }
    };
    start.networks().iter().map(|layers| layers.iter().map(&mut layer).collect()).collect()
}

fn classes_of(updates: &[Update], list: impl Fn(&LayerUpdate) -> &[i16]) -> Vec<ChannelClass> {
    let channels = updates[0].layers.iter().map(|layer| list(layer).len()).sum();
    let mut changes = vec![Count::default(); channels];
    let mut negative = vec![Count::default(); channels];
    for update in updates {
        let values = update.layers.iter().flat_map(&list);
        for ((value, changes), negative) in values.zip(&mut changes).zip(&mut negative) {
            changes.add(*value != 0);
            if *value != 0 {
                negative.add(*value < 0);
            }
        }
    }
    let activities = groups::<{ ChannelClass::ACTIVITIES }>(&changes, 2.0);
    let signs = groups::<{ ChannelClass::SIGNS }>(&negative, 4.0);
    let class = |(activity, sign): (usize, usize)| {
        let byte = activity + ChannelClass::ACTIVITIES * sign;
        ChannelClass::from_byte(byte as u8).expect("both are in range")
    };
    activities.into_iter().zip(signs).map(class).collect()
}

/// Levels of the rows and the columns of layer `number`: the products of two rates that come
/// nearest to how often coefficients are not 0. One counts as if it was that once more, as often as
/// others.
fn levels(updates: &[Update], number: usize, (cin, cout): (usize, usize)) -> (Vec<u8>, Vec<u8>) {
    let (mut by_row, mut by_column) = (vec![0.0; 9 * cin], vec![0.0; cout]);
    for update in updates {
        let values = update.layers[number].coefficients.iter().enumerate();
        for (i, _) in values.filter(|(_, v)| **v != 0) {
            by_row[i / cout] += 1.0;
            by_column[i % cout] += 1.0;
        }
    }
    let chances = (9 * cin * cout * updates.len()) as f64;
    let mean = (by_row.iter().sum::<f64>() + 1.0) / chances;
    // Where the other one is average, in half octaves.
    let level = |changes: f64, of: usize, mean: f64| {
        let chances = chances / of as f64;
        let rate = (changes + 1.0) / (chances + 1.0 / mean);
        -2.0 * rate.log2()
    };
    let rows: Vec<f64> = by_row.iter().map(|n| level(*n, 9 * cin, mean)).collect();
    let busiest = rows.iter().fold(f64::INFINITY, |a, b| a.min(*b));
    let byte = |level: f64| level.round().clamp(0.0, f64::from(LEVELS - 1)) as u8;
    let columns = by_column.iter().map(|n| level(*n, cout, mean) + busiest + 2.0 * mean.log2());
    (rows.iter().map(|l| byte(l - busiest)).collect(), columns.map(byte).collect())
}

/// Which of `N` groups of alike rates each channel belongs to, so that coding all events with a
/// rate for each group takes the fewest bits. A channel of few chances is taken for an average one:
/// its own rate is mixed with `weight` chances of the mean.
fn groups<const N: usize>(counts: &[Count], weight: f64) -> Vec<usize> {
    let sum = |f: fn(&Count) -> f64| counts.iter().map(f).sum::<f64>();
    let mean = sum(|c| c.events) / sum(|c| c.chances).max(1.0);
    let rate = |i: &usize| (counts[*i].events + weight * mean) / (counts[*i].chances + weight);
    let mut order: Vec<usize> = (0..counts.len()).collect();
    order.sort_by(|a, b| rate(a).total_cmp(&rate(b)).then(a.cmp(b)));
    // Running sums over the channels in order.
    let mut sums = vec![Count::default()];
    for i in &order {
        let count = counts[*i].smoothed(mean, weight);
        let last = sums[sums.len() - 1];
        let (events, chances) = (last.events + count.events, last.chances + count.chances);
        sums.push(Count { events, chances });
    }
    let cost = |from: usize, to: usize| {
        let events = sums[to].events - sums[from].events;
        Count { events, chances: sums[to].chances - sums[from].chances }.entropy()
    };
    // Of the first `to` channels in so many groups: the fewest bits, and where the last group
    // starts.
    let mut best: Vec<Vec<(f64, usize)>> =
        vec![(0..sums.len()).map(|to| (cost(0, to), 0)).collect()];
    for g in 1..N {
        let before = &best[g - 1];
        let least = |to: usize| {
            let split = |from: usize| (before[from].0 + cost(from, to), from);
            (0..=to).map(split).min_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or_default()
        };
        let row = (0..sums.len()).map(least).collect();
        best.push(row);
    }
    let mut groups = vec![0; counts.len()];
    let mut to = counts.len();
    for g in (0..N).rev() {
        let from = best[g][to].1;
        order[from..to].iter().for_each(|i| groups[*i] = g);
        to = from;
    }
    groups
}

/// The best initial state of each context. Those of empty networks stay: gray pictures, which have
/// no chroma, are not among these.
fn tables(updates: &[Update], prior: UpdatePrior) -> Result<UpdatePrior> {
    let mut bins = vec![vec![Vec::new(); updates.len()]; CONTEXTS];
    for (i, update) in updates.iter().enumerate() {
        trace::bins(update, &prior)?.into_iter().for_each(|(c, bit)| bins[c][i].push(bit));
    }
    let mut table = *prior.table().as_bytes();
    for (context, bins) in bins.iter().enumerate().skip(MAX_NETWORKS) {
        let start = table[context];
        // One bin more, as likely as before, so that rare contexts stay near where they were.
        let price = |state: u8| {
            let mut price = Price::new();
            let mut table = table;
            table[context] = state;
            let initial = InitialStates::new(table).contexts()[context];
            for bins in bins {
                let mut context = initial;
                bins.iter().for_each(|bit| price.bit(&mut context, *bit));
            }
            f64::from(price.bits256()) / 256.0 + cross_entropy(start, state)
        };
        let states = std::iter::once(start).chain((0..=254).step_by(2));
        let best = states.map(|s| (price(s), s)).min_by(|a, b| a.0.total_cmp(&b.0));
        table[context] = best.map_or(start, |(_, state)| state);
    }
    Ok(prior.with_table(InitialStates::new(table)))
}

/// Bits that a bin of initial state `truth` takes in one of `state`.
fn cross_entropy(truth: u8, state: u8) -> f64 {
    let [p, q] = [truth, state].map(|byte| f64::from(2 * u16::from(byte) + 1) / 512.0);
    -(p * q.log2() + (1.0 - p) * (1.0 - q).log2())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_of_alike_rates_share_a_group() {
        let count = |events: f64, chances: f64| Count { events, chances };
        let counts = [
            count(90.0, 100.0),
            count(2.0, 100.0),
            count(50.0, 100.0),
            count(88.0, 100.0),
            count(1.0, 100.0),
            count(0.0, 0.0),
        ];
        let groups = groups::<3>(&counts, 2.0);
        assert_eq!(groups, [2, 0, 1, 2, 0, 1]);
    }

    #[test]
    fn few_channels_leave_groups_empty() {
        assert!(groups::<4>(&[], 1.0).is_empty());
        let one = groups::<4>(&[Count { events: 1.0, chances: 2.0 }], 1.0);
        assert!(one[0] < 4);
    }

    /// What is learnt serves the updates it was learnt from.
    #[test]
    fn learning_makes_updates_smaller() {
        let updates: Vec<Update> = (0..40)
            .map(|i| {
                let scale = (0..16).map(|c| if c % 4 == 0 && (i + c) % 3 > 0 { -1 } else { 0 });
                let bias = (0..16).map(|c| i16::from((i * c) % 7 == 1));
                let (scale, bias) = (scale.collect(), bias.collect());
                let layer = LayerUpdate { scale, bias, coefficients: Vec::new() };
                Update { step: 3, layers: vec![layer.clone(), layer] }
            })
            .collect();
        let start = UpdatePrior::untuned(&[vec![(4, 16), (16, 16)]]).unwrap();
        let prior = learn(&updates, &start).unwrap();
        assert!(bits(&updates, &prior).unwrap() < 0.7 * bits(&updates, &start).unwrap());
        let classes = &prior.networks()[0][0].scale;
        assert!(classes[0].activity().min(classes[4].activity()) > classes[1].activity());
        assert!(classes[0].sign() >= classes[1].sign());
    }

    /// Updates of one layer of one input in which the coefficient of row r and column c is other
    /// than 0 `rate(r, c)` times.
    fn of_rates(cout: usize, count: usize, rate: impl Fn(usize, usize) -> usize) -> Vec<Update> {
        let mut layers = vec![LayerUpdate::zeros(cout); count];
        for (row, column) in (0..9).flat_map(|r| (0..cout).map(move |c| (r, c))) {
            for n in 0..rate(row, column) {
                let values = &mut layers[(n * 7 + 3 * row + column) % count].coefficients;
                values.resize(9 * cout, 0);
                values[row * cout + column] = 1 - 2 * (n % 2) as i16;
            }
        }
        layers.into_iter().map(|layer| Update { step: 3, layers: vec![layer] }).collect()
    }

    #[test]
    fn levels_are_half_octaves_of_rates() {
        let (rows, columns) = ([64, 128, 32, 16, 64, 64, 64, 64, 64], [1.0, 0.5, 0.125]);
        let rate = |r: usize, c: usize| (f64::from(rows[r]) * columns[c]) as usize;
        let updates = of_rates(3, 256, rate);
        let (row, column) = levels(&updates, 0, (1, 3));
        assert_eq!(row, [2, 0, 4, 6, 2, 2, 2, 2, 2]);
        // The busiest one every other time, a level of 2.
        assert_eq!(column, [2, 4, 8]);
        let updates = of_rates(3, 256, |r, c| if c == 1 { 0 } else { rate(r, c) });
        let (row, column) = levels(&updates, 0, (1, 3));
        assert_eq!((&row[..3], column[0], column[2]), ([2, 0, 4].as_slice(), 2, 8));
        assert!((15..LEVELS).contains(&column[1]), "{column:?}");
    }

    #[test]
    fn levels_of_nothing_are_in_range() {
        for count in [1, 1000] {
            let updates = of_rates(64, count, |_, _| 0);
            let (row, column) = levels(&updates, 0, (1, 64));
            assert_eq!((row.len(), column.len()), (9, 64));
            assert!(row.iter().all(|l| *l == 0), "{row:?}");
            assert!(column.iter().all(|l| (15..LEVELS).contains(l)), "{column:?}");
        }
    }

    /// Coefficients that are often not 0, in rows and columns where they are: what is learnt serves
    /// them, and the others cost little.
    #[test]
    fn learning_makes_coefficients_smaller() {
        let rate = |r: usize, c: usize| {
            if r < 2 && c.is_multiple_of(4) {
                30
            } else {
                usize::from(r == c)
            }
        };
        let updates = of_rates(16, 60, rate);
        let start = UpdatePrior::untuned(&[vec![(1, 16)]]).unwrap();
        let prior = learn(&updates, &start).unwrap();
        let [before, after] = [&start, &prior].map(|c| bits(&updates, c).unwrap());
        assert!(after < 0.75 * before, "{before} {after}");
        let layer = &prior.networks()[0][0];
        assert!(layer.row_level[0] < layer.row_level[8]);
        assert!(layer.column_level[4] < layer.column_level[9]);
        let table = prior.table().as_bytes();
        assert_eq!(table[..MAX_NETWORKS], start.table().as_bytes()[..MAX_NETWORKS]);
        let read: Vec<_> = updates
            .iter()
            .map(|u| update::read(&update::encode(u, &prior).unwrap(), &prior).unwrap())
            .collect();
        assert_eq!(read, updates);
    }
}
