//! A base layer, a layer and a scratch on the host's drive.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::api_layers as layers;

/// A prepared scratch over two layers; it is taken apart at the end.
pub struct Layered {
    pub id: String,
    root: PathBuf,
    pub parents: Vec<String>,
    pub scratch: String,
    /// With its backslash.
    pub volume: String,
}

impl Layered {
    pub fn new(name: &str) -> Layered {
        let id = format!("{name}-{}", std::process::id());
        let root = Path::new("C:\\layers").join(&id);
        let folder = |name: &str| root.join(format!("{name}-{id}"));
        let system = folder("base").join("Files\\Windows\\System32");
        fs::create_dir_all(&system).unwrap();
        fs::write(system.join("layer.txt"), "in system32").unwrap();
        let app = folder("app").join("Files\\app");
        fs::create_dir_all(&app).unwrap();
        fs::write(app.join("hello.txt"), "hello from the layer\r\n").unwrap();
        let probe = std::env::current_exe().unwrap().with_file_name("probe.exe");
        fs::copy(probe, folder("app").join("Files\\probe.exe")).unwrap();
        let parents = vec![folder("app").display().to_string(), folder("base").display().to_string()];
        let scratch = folder("scratch").display().to_string();
        assert_eq!(layers::create_sandbox(&scratch, &parents), 0);
        assert_eq!(layers::on_layer("ActivateLayer", &scratch), 0);
        assert_eq!(layers::prepare(&scratch, &parents), 0);
        let (code, volume) = layers::mount_path(&scratch);
        assert_eq!(code, 0);
        Layered { id, root, parents, scratch, volume: format!("{volume}\\") }
    }

    /// The document of a container on it.
    pub fn document(&self) -> Value {
        let layer = |path: &String| json!({"Id": layers::name_to_guid(path.rsplit('\\').next().unwrap()), "Path": path});
        json!({
            "Owner": "tests", "SchemaVersion": {"Major": 2, "Minor": 1}, "ShouldTerminateOnLastHandleClosed": true,
            "Container": {
                "Storage": {"Layers": self.parents.iter().map(layer).collect::<Vec<_>>(), "Path": self.volume},
                "Processor": {}
            }
        })
    }

    /// The document of a Hyper-V container of the first schema, for which the scratch is not mounted.
    pub fn first_document(&self) -> Value {
        let second = self.document();
        let layers = second["Container"]["Storage"]["Layers"].as_array().unwrap().iter();
        let layers: Vec<Value> =
            layers.map(|layer| json!({"ID": layer["Id"], "Path": layer["Path"]})).collect();
        let image = format!("{}\\UtilityVM", self.parents.last().unwrap());
        fs::create_dir_all(&image).unwrap();
        json!({
            "SystemType": "Container", "Name": self.id, "Owner": "tests", "IgnoreFlushesDuringBoot": true,
            "TerminateOnLastHandleClosed": true, "HvPartition": true, "HvRuntime": {"ImagePath": image},
            "LayerFolderPath": self.scratch, "Layers": layers, "HostName": "older", "ProcessorCount": 1
        })
    }

    /// Takes the scratch off the host, for a container that mounts it itself.
    pub fn unmount(&self) {
        assert_eq!(layers::on_layer("UnprepareLayer", &self.scratch), 0);
        assert_eq!(layers::on_layer("DeactivateLayer", &self.scratch), 0);
    }

    /// What the layer's own file says.
    pub fn layer_text(&self) -> String {
        fs::read_to_string(Path::new(&self.parents[0]).join("Files\\app\\hello.txt")).unwrap()
    }
}

impl Drop for Layered {
    fn drop(&mut self) {
        // Fails where a test took it apart itself.
        layers::on_layer("UnprepareLayer", &self.scratch);
        layers::on_layer("DeactivateLayer", &self.scratch);
        let _ = fs::remove_dir_all(&self.root);
    }
}
