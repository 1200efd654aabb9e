//! The threads of a training step: each takes some of its tiles.

use super::parameters::Parameters;
use super::task::Example;
use super::tiles::{self, Tile};
use crate::cpu::CpuLevel;
use crate::picture::Sample;
use crate::train::net::{Net, Train, Workspace};
use crate::util::{fault, threads::share};
use crate::Result;

/// The training engine works in units of 128 grey levels.
const GREY: f32 = 128.0;

/// A tile for a network to learn from.
pub(super) struct Job<'a, S> {
    pub example: &'a Example<'a, S>,
    pub tile: Tile,
    /// The network's number.
    pub network: usize,
    /// Weight of a sample's squared error in each plane.
    pub units: [f32; 3],
}

/// A job's result: weighted squared errors, and their derivatives as [`Parameters::collect`] has
/// them.
type Slope = (f32, Vec<f32>);

/// One thread's buffers, for each network.
struct Worker {
    workspaces: Vec<Workspace>,
    gradients: Vec<Net>,
}

/// All threads' buffers.
pub(super) struct Workers(Vec<Worker>);

impl Workers {
    /// Buffers of `threads` threads for `nets`, each on windows of its own size, rows and columns.
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::Error::OutOfMemory).
    pub fn new(
        threads: usize,
        nets: &[Net],
        windows: &[(usize, usize)],
        level: CpuLevel,
    ) -> Result<Self> {
        let workspace = |(net, window): (&Net, &(usize, usize))| {
            Workspace::new(net.arch, window.0, window.1, level)
        };
        let worker = |_| -> Result<Worker> {
            Ok(Worker {
                workspaces: nets.iter().zip(windows).map(workspace).collect::<Result<_>>()?,
                gradients: nets.iter().map(|net| Net::zeros(net.arch)).collect(),
            })
        };
        Ok(Self((0..threads).map(worker).collect::<Result<_>>()?))
    }

    /// Every job's slope, in the order of the jobs whatever the number of threads.
    pub fn run<S: Sample>(
        &mut self,
        nets: &[Net],
        parameters: &Parameters,
        jobs: &[Job<'_, S>],
    ) -> Result<Vec<Slope>> {
        let stride = self.0.len();
        let mut slopes: Vec<Vec<Slope>> = (0..stride).map(|_| Vec::new()).collect();
        let lanes = self.0.iter_mut().zip(&mut slopes).enumerate();
        share(stride, lanes, &mut || true, &|(lane, (worker, slopes)), _| {
            let mine = jobs.iter().skip(lane).step_by(stride);
            *slopes = mine.map(|job| worker.work(nets, parameters, job)).collect::<Result<_>>()?;
            Ok(true)
        })?;
        let mut lanes: Vec<_> = slopes.into_iter().map(Vec::into_iter).collect();
        Ok((0..jobs.len()).filter_map(|i| lanes[i % stride].next()).collect())
    }
}

impl Worker {
    /// The job's squared errors (grey levels²), weighted and summed over the tile's samples, and
    /// their gradient.
    fn work<S: Sample>(
        &mut self,
        nets: &[Net],
        parameters: &Parameters,
        job: &Job<'_, S>,
    ) -> Result<Slope> {
        fault::point("fine-tune");
        let &Job { example, tile, units, network } = job;
        let (net, workspace) = (&nets[network], &mut self.workspaces[network]);
        let gradient = &mut self.gradients[network];
        for layer in &mut gradient.layers {
            layer.scale.fill(0.0);
            layer.bias.fill(0.0);
            layer.weights.fill(0.0);
        }
        let arch = net.arch;
        let channels = arch.inputs - arch.outputs..arch.inputs;
        tiles::load(&example.decoded, tile.origin, workspace.input());
        workspace.forward(net, example.condition, tile.origin);
        let mut sum_of_squares = 0.0;
        let loss = |y: usize, out: &[f32], slope: &mut [f32]| {
            if y < tile.rows.0 || y >= tile.rows.1 {
                return;
            }
            for x in tile.columns.0..tile.columns.1 {
                let (row, column) = (tile.origin.0 + y, tile.origin.1 + x);
                let pixel = 8 * x..8 * x + arch.outputs;
                let outputs = out[pixel.clone()].iter().zip(&mut slope[pixel]);
                for (i, (out, slope)) in channels.clone().zip(outputs) {
                    let (sum, count) =
                        tiles::residual(&example.original, &example.decoded, row, column, i);
                    let (e, unit) = (count * out * GREY - sum, units[i.saturating_sub(3)]);
                    // Samples beside a pixel get the same correction: their mean counts.
                    sum_of_squares += unit * e * e / count.max(1.0);
                    *slope = 2.0 * GREY * unit * e;
                }
            }
        };
        workspace.backward(net, example.condition, Train::All, gradient, loss);
        Ok((sum_of_squares, parameters.collect(network, net, gradient)?))
    }
}
