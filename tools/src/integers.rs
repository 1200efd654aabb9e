//! The integers inside payloads as JSON, for other coders to be measured on the same updates.

use crate::files;
use anyhow::{ensure, Context, Result};
use clap::Args;
use serde::Serialize;
use sidelight::models;
use sidelight::network::update::LayerUpdate;
use sidelight::payload::header::HEADER_SIZE;
use sidelight::payload::{self, update, Mode};

use std::path::{Path, PathBuf};

#[derive(Args)]
pub struct Options {
    /// Folder of payloads, one in each *.slp
    #[arg(long)]
    payloads: PathBuf,
    /// JSON file to write
    #[arg(long)]
    out: PathBuf,
}

/// One payload with an update.
#[derive(Debug, PartialEq, Serialize)]
struct Update {
    name: String,
    /// Id of the base model, in hexadecimal.
    model: String,
    payload_bytes: usize,
    header_bytes: usize,
    body_bytes: usize,
    /// The step field, which the body holds besides the tensors.
    step: u8,
    tensors: Vec<Tensor>,
}

#[derive(Debug, PartialEq, Serialize)]
struct Tensor {
    /// Name, as "layer2.scale"; coefficients only where any of the network change.
    name: String,
    shape: Vec<usize>,
    values: Vec<i16>,
}

pub fn run(options: &Options) -> Result<()> {
    let updates = read_folder(&options.payloads)?;
    files::write(&options.out, &serde_json::to_vec(&updates)?)?;
    println!("{} updates in {}", updates.len(), options.out.display());
    Ok(())
}

/// The updates of a folder by name. What holds none is said on stderr and left out.
fn read_folder(folder: &Path) -> Result<Vec<Update>> {
    let mut paths = std::fs::read_dir(folder)
        .with_context(|| folder.display().to_string())?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "slp"));
    paths.sort();
    let mut updates = Vec::new();
    for path in &paths {
        match read(path) {
            Ok(update) => updates.push(update),
            Err(error) => eprintln!("{}: {error:#}; left out", path.display()),
        }
    }
    ensure!(!updates.is_empty(), "{}: no payload with an update", folder.display());
    Ok(updates)
}

fn read(path: &Path) -> Result<Update> {
    let bytes = std::fs::read(path)?;
    let header = payload::parse(&bytes)?;
    ensure!(header.mode == Mode::Update, "no update (mode {:?})", header.mode);
    let (model, _) =
        models::by_id(header.model).with_context(|| format!("{:08x}", header.model))?;
    let update = update::read(header.body, &model.prior)?;
    let mut tensors = Vec::new();
    for (i, (layer, (_, cout))) in update.layers.into_iter().zip(model.shapes()).enumerate() {
        let LayerUpdate { scale, bias, coefficients } = layer;
        for (kind, values) in [("scale", scale), ("bias", bias), ("coefficients", coefficients)] {
            let shape = match kind {
                "coefficients" if values.is_empty() => continue,
                "coefficients" => vec![9, values.len() / 9 / cout, cout],
                _ => vec![values.len()],
            };
            tensors.push(Tensor { name: format!("layer{i}.{kind}"), shape, values });
        }
    }
    Ok(Update {
        name: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        model: format!("{:08x}", header.model),
        payload_bytes: bytes.len(),
        header_bytes: HEADER_SIZE,
        body_bytes: header.body.len(),
        step: update.step,
        tensors,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    use sidelight::network::update::{LayerUpdate, Update};
    use sidelight::network::{CodecKind, Model};
    use sidelight::payload::build;

    /// A folder of its own that goes when the test ends.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn add(&self, name: &str, bytes: &[u8]) {
            std::fs::write(self.0.join(name), bytes).unwrap();
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn model() -> &'static Model {
        models::default_for(CodecKind::Jpeg, models::ModelSize::Medium).unwrap()
    }

    /// Values from −3 to 3, another mix in every list; every 50th weight of the second layer.
    fn update(model: &Model) -> Update {
        let list = |n: usize, salt: i16| (0..n as i16).map(|i| (i * salt) % 7 - 3).collect();
        let layer = |(i, (cin, cout)): (usize, (usize, usize))| LayerUpdate {
            scale: list(cout, 2 * i as i16 + 1),
            bias: list(cout, 2 * i as i16 + 2),
            coefficients: match i {
                1 => (0..9 * cin * cout).map(|t| i16::from(t % 50 == 0)).collect(),
                _ => Vec::new(),
            },
        };
        Update { step: 2, layers: model.shapes().into_iter().enumerate().map(layer).collect() }
    }

    #[test]
    fn payloads_come_back_as_integers() {
        let (model, folder) = (model(), Folder::new("sidelight-integers"));
        let update = update(model);
        let body = update::encode(&update, &model.prior).unwrap();
        let good = build(Mode::Update, model.id, &body, 7).unwrap();
        let mut damaged = good.clone();
        damaged[10] ^= 1;
        folder.add("a-q20.slp", &good);
        folder.add("b-q20.slp", &damaged);
        folder.add("c-q20.slp", &build(Mode::Base, model.id, &[], 7).unwrap());
        folder.add("d-q20.slp", &build(Mode::Update, !model.id, &body, 7).unwrap());
        folder.add("e-q20.slp", &[]);
        folder.add("f.txt", &good);

        let updates = read_folder(&folder.0).unwrap();
        let [read] = &updates[..] else { panic!("{} updates", updates.len()) };
        assert_eq!((read.name.as_str(), read.step), ("a-q20", 2));
        assert_eq!(read.model, format!("{:08x}", model.id));
        assert_eq!((read.payload_bytes, read.body_bytes), (good.len(), body.len()));
        assert_eq!(read.header_bytes + read.body_bytes, read.payload_bytes);
        let lists = update.layers.iter().flat_map(|layer| [&layer.scale, &layer.bias]);
        let (coefficients, others): (Vec<_>, Vec<_>) =
            read.tensors.iter().partition(|tensor| tensor.name.ends_with("coefficients"));
        assert_eq!(others.len(), 2 * update.layers.len());
        for (tensor, values) in others.iter().zip(lists) {
            assert_eq!((&tensor.shape[..], &tensor.values), (&[values.len()][..], values));
        }
        let [coefficients] = coefficients[..] else {
            panic!("{} lists of coefficients", coefficients.len())
        };
        let (cin, cout) = model.shapes()[1];
        assert_eq!(
            (coefficients.name.as_str(), &coefficients.shape[..]),
            ("layer1.coefficients", &[9, cin, cout][..])
        );
        assert_eq!(coefficients.values, update.layers[1].coefficients);
        assert_eq!(read.tensors[4].name, "layer1.coefficients");
        assert_eq!(read.tensors[0].name, "layer0.scale");
        assert_eq!(read.tensors[3].name, "layer1.bias");

        let out = folder.0.join("out.json");
        run(&Options { payloads: folder.0.clone(), out: out.clone() }).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&std::fs::read(out).unwrap()).unwrap();
        assert_eq!(json[0]["tensors"][1]["values"][0], i64::from(update.layers[0].bias[0]));
    }

    #[test]
    fn nothing_to_read_is_an_error() {
        let folder = Folder::new("sidelight-integers-none");
        folder.add("a.slp", b"damaged!");
        assert!(read_folder(&folder.0).is_err());
    }
}
