//! Clips out of still pictures: a camera moves over one, a part of another moves in front of it.

use super::colour::{Colour, Frame};
use crate::media::yuv::Yuv;
use image::RgbImage;
use rand::Rng;
use rand_pcg::Pcg64Mcg;

const FRAMES: usize = 17;
/// Columns and rows.
const SIDE: usize = 256;

type Point = [f32; 2];

/// A picture that moves: where its samples are taken at a time in frames.
struct Layer {
    picture: Frame,
    /// In the picture, what is in the middle at time 0, and its velocity.
    centre: Point,
    velocity: Point,
    /// Logarithm of the zoom, and turn in radians, for each frame.
    zoom: f32,
    turn: f32,
    /// Where the hand that holds the camera is at each frame.
    shake: Vec<Point>,
}

impl Layer {
    /// Moves at up to `speed` pixels a frame, within the picture as far as it goes.
    fn random(picture: &RgbImage, speed: f32, moves: bool, rng: &mut Pcg64Mcg) -> Self {
        let sides = [picture.width() as usize, picture.height() as usize];
        let pixels = picture.pixels().map(|p| p.0.map(f32::from)).collect();
        let picture = Frame { width: sides[0], height: sides[1], pixels };
        let mut path = [[0.0; 2]; 2];
        for (axis, side) in sides.iter().enumerate() {
            let room = (side.saturating_sub(SIDE) as f32 / 2.0).max(1.0);
            let middle = *side as f32 / 2.0;
            let from = rng.random_range(-room..=room);
            let fastest = speed * FRAMES as f32;
            let to = from + rng.random_range(-fastest..=fastest);
            path[axis] = [middle + from, (to.clamp(-room, room) - from) / FRAMES as f32];
        }
        let mut rate = |most: f32| {
            if moves && rng.random_bool(0.4) {
                rng.random_range(-most..=most)
            } else {
                0.0
            }
        };
        let (zoom, turn) = (rate(0.006), rate(0.006));
        let still = if moves { 1.0 } else { 0.0 };
        let amount = if moves && rng.random_bool(0.5) { rng.random_range(0.0..0.8) } else { 0.0 };
        let mut at = [0.0f32; 2];
        let mut shake = || {
            at = at.map(|v| 0.7 * v + amount * rng.random_range(-1.0f32..=1.0));
            at
        };
        Self {
            picture,
            centre: [path[0][0], path[1][0]],
            velocity: [path[0][1] * still, path[1][1] * still],
            zoom,
            turn,
            // One more: the shutter closes after the last frame's time.
            shake: (0..=FRAMES).map(|_| shake()).collect(),
        }
    }

    /// The picture's colour at `from`, a place relative to the middle, at `time`.
    fn colour(&self, view: &View, from: Point) -> [f32; 3] {
        let x = view.centre[0] + view.cos * from[0] - view.sin * from[1];
        let y = view.centre[1] + view.sin * from[0] + view.cos * from[1];
        sample(&self.picture, x, y)
    }

    fn view(&self, time: f32) -> View {
        let (whole, part) = (time as usize, time.fract());
        let zoom = (self.zoom * time).exp();
        let (sin, cos) = (self.turn * time).sin_cos();
        let place = |axis: usize| {
            let (a, b) = (self.shake[whole][axis], self.shake[whole + 1][axis]);
            self.centre[axis] + self.velocity[axis] * time + a + (b - a) * part
        };
        View { centre: [place(0), place(1)], sin: sin * zoom, cos: cos * zoom }
    }
}

/// Where a layer is at a time.
struct View {
    centre: Point,
    sin: f32,
    cos: f32,
}

/// A soft-edged ellipse.
struct Ellipse {
    centre: Point,
    velocity: Point,
    radii: Point,
    /// Width of its edge as a share of the radii.
    edge: f32,
}

/// All of a clip but the noise.
pub struct Scene {
    back: Layer,
    front: Option<(Layer, Ellipse)>,
    colour: Colour,
    /// Share of a frame's time that the shutter is open.
    shutter: f32,
    /// Brightness gained each frame.
    drift: f32,
    /// Standard deviation of the sensor's noise.
    noise: f32,
}

impl Scene {
    /// `back` and a part of `front` before it.
    pub fn random([back, front]: [RgbImage; 2], rng: &mut Pcg64Mcg) -> Self {
        // 1 camera in 4 stands still; most move slowly.
        let speed = rng.random_range(0.1f32.ln()..8f32.ln()).exp();
        let back = Layer::random(&back, speed, rng.random_bool(0.75), rng);
        let front = rng.random_bool(0.7).then(|| {
            let moves = rng.random_bool(0.5);
            let layer = Layer::random(&front, 0.5, moves, rng);
            let side = SIDE as f32;
            let mut both = |low: f32, high: f32| [(); 2].map(|()| rng.random_range(low..high));
            let (centre, radii) = (both(-0.4 * side, 0.4 * side), both(25.0, 90.0));
            let velocity = both(-1.0, 1.0).map(|v| v.signum() * v.abs().powf(1.5) * 6.0);
            let edge = rng.random_range(1.5..6.0) / radii[0].min(radii[1]);
            (layer, Ellipse { centre, velocity, radii, edge })
        });
        Self {
            back,
            front,
            colour: Colour::of_video(rng),
            shutter: if rng.random_bool(0.4) { rng.random_range(0.2..0.8) } else { 0.0 },
            drift: if rng.random_bool(0.3) { rng.random_range(-0.004..0.004) } else { 0.0 },
            noise: if rng.random_bool(0.7) { rng.random_range(0.0..2.5) } else { 0.0 },
        }
    }

    pub fn frames(&self, rng: &mut Pcg64Mcg) -> Vec<Yuv> {
        (0..FRAMES).map(|t| self.colour.planes(&self.frame(t as f32, rng))).collect()
    }

    fn frame(&self, time: f32, rng: &mut Pcg64Mcg) -> Frame {
        // Enough exposures that what moves does not become several.
        let exposures = if self.shutter > 0.0 { 3 } else { 1 };
        let mut pixels = vec![[0.0; 3]; SIDE * SIDE];
        for exposure in 0..exposures {
            let time = time + self.shutter * exposure as f32 / exposures as f32;
            let views = (self.back.view(time), self.front.as_ref().map(|(l, _)| l.view(time)));
            for (i, pixel) in pixels.iter_mut().enumerate() {
                let middle = SIDE as f32 / 2.0;
                let at = [(i % SIDE) as f32 + 0.5 - middle, (i / SIDE) as f32 + 0.5 - middle];
                let front = self.front.as_ref().zip(views.1.as_ref()).map(|((layer, e), view)| {
                    let from: Point =
                        std::array::from_fn(|a| at[a] - e.centre[a] - e.velocity[a] * time);
                    let r = (from[0] / e.radii[0]).hypot(from[1] / e.radii[1]);
                    let cover = ((1.0 - r) / e.edge).clamp(0.0, 1.0);
                    let cover = cover * cover * (3.0 - 2.0 * cover);
                    let colour = if cover > 0.0 { layer.colour(view, from) } else { [0.0; 3] };
                    (cover, colour)
                });
                let (cover, front) = front.unwrap_or_default();
                let back = if cover < 1.0 { self.back.colour(&views.0, at) } else { [0.0; 3] };
                for ((sum, b), f) in pixel.iter_mut().zip(back).zip(front) {
                    *sum += (b + (f - b) * cover) / exposures as f32;
                }
            }
        }
        let gain = 1.0 + self.drift * time;
        for sample in pixels.iter_mut().flatten() {
            // Four uniform numbers make a nearly normal one.
            let sum: f32 = (0..4).map(|_| rng.random::<f32>()).sum();
            *sample = *sample * gain + (sum - 2.0) * 3f32.sqrt() * self.noise;
        }
        Frame { width: SIDE, height: SIDE, pixels }
    }
}

/// The picture between its pixels, mirrored beyond its ends: Mitchell and Netravali's cubic, which
/// is as soft on pixels as between them.
fn sample(picture: &Frame, x: f32, y: f32) -> [f32; 3] {
    let weights = |v: f32| {
        let v = v - 0.5;
        let (whole, t) = (v.floor(), v - v.floor());
        let weights =
            [near_far(1.0 + t).1, near_far(t).0, near_far(1.0 - t).0, near_far(2.0 - t).1];
        (whole as isize - 1, weights)
    };
    let mirror = |i: isize, side: usize| {
        if (0..side as isize).contains(&i) {
            return i as usize;
        }
        let i = i.rem_euclid(2 * side as isize) as usize;
        i.min(2 * side - 1 - i)
    };
    let ((x, across), (y, down)) = (weights(x), weights(y));
    let columns: [usize; 4] = std::array::from_fn(|i| mirror(x + i as isize, picture.width));
    let mut sum = [0.0; 3];
    for (i, down) in down.iter().enumerate() {
        let row = &picture.pixels[mirror(y + i as isize, picture.height) * picture.width..];
        for (column, across) in columns.iter().zip(across) {
            for (s, p) in sum.iter_mut().zip(row[*column]) {
                *s += down * across * p;
            }
        }
    }
    sum.map(|s| s.clamp(0.0, 255.0))
}

/// The cubic at distance `d` if it is below 1, and if it is in 1..=2.
fn near_far(d: f32) -> (f32, f32) {
    let near = ((7.0 * d - 12.0) * d * d + 16.0 / 3.0) / 6.0;
    let far = (((-7.0 / 3.0 * d + 12.0) * d - 20.0) * d + 32.0 / 3.0) / 6.0;
    (near, far)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn flat_pictures_stay_flat_and_noise_is_as_strong_as_drawn() {
        let flat = RgbImage::from_pixel(300, 280, image::Rgb([100, 150, 200]));
        let mut rng = Pcg64Mcg::seed_from_u64(3);
        let mut scene = Scene::random([flat.clone(), flat], &mut rng);
        (scene.drift, scene.noise) = (0.0, 0.0);
        let frame = scene.frame(5.0, &mut rng);
        let close =
            |p: &[f32; 3]| p.iter().zip([100.0, 150.0, 200.0]).all(|(a, b)| (a - b).abs() < 0.01);
        assert!(frame.pixels.iter().all(close));
        scene.noise = 2.0;
        let frame = scene.frame(5.0, &mut rng);
        let square = frame.pixels.iter().map(|p| (p[1] - 150.0).powi(2)).sum::<f32>();
        assert!(((square / frame.pixels.len() as f32).sqrt() - 2.0).abs() < 0.05);
    }

    #[test]
    fn samples_move_with_the_place() {
        let ramp = (0..64 * 64).map(|i| [(i % 64) as f32, (i / 64) as f32, 7.0]).collect();
        let ramp = Frame { width: 64, height: 64, pixels: ramp };
        for (x, y) in [(10.0f32, 20.0f32), (30.25, 40.75), (11.5, 9.9)] {
            let [a, b, c] = sample(&ramp, x + 0.5, y + 0.5);
            assert!((a - x).abs() < 1e-3 && (b - y).abs() < 1e-3 && (c - 7.0).abs() < 1e-3);
        }
    }
}
