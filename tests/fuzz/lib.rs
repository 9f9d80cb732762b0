//! What the fuzz targets share: programs from bytes, and the loader that serves them.

use dtm_engine::plan::Plan;
use dtm_engine::plan::saved::Saved;
use dtm_engine::plugin::Plugins;
use dtm_engine::secret::Redactor;
use dtm_lang::interface::Kind as Declared;
use dtm_lang::loader::Extensions;
use dtm_lang::{Inputs, Loader, Program, Purpose, Shipped, Symbol};
use dtm_plugin::protocol::{Fields, Method};
use dtm_plugin::running::{Running, running};
use dtm_plugin::{Change, Ctx, Failure, Kind, Object, Observed, Plugin};
use std::sync::{Arc, LazyLock, OnceLock};

/// A project of one root file and what is shipped; a second file and a data file come after separators.
pub struct Files(Vec<(&'static str, String)>);

/// The line that begins the next file of a project.
pub const NEXT: &str = "\n%%%%\n";

impl Files {
    /// The root file, a module `lib.dts` and data `data.yaml`, as far as they are there.
    pub fn of(text: &str) -> Files {
        let names = ["main.dts", "lib.dts", "data.yaml"];
        Files(names.into_iter().zip(text.splitn(3, NEXT)).map(|(n, t)| (n, t.to_string())).collect())
    }
}

impl Files {
    /// A configuration of DevStream, and a second file that it may name.
    pub fn yaml(text: &str) -> Files {
        let names = ["config.yaml", "tools.yaml"];
        Files(names.into_iter().zip(text.splitn(2, NEXT)).map(|(n, t)| (n, t.to_string())).collect())
    }
}

impl Loader for Files {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        let found = self.0.iter().find(|(name, _)| *name == path);
        found.map(|(_, text)| text.clone().into_bytes()).ok_or_else(|| "there is no such file".into())
    }
    fn shipped(&self, plugin: &str) -> Option<Shipped> {
        let shipped = dtm_engine::plugin::installed_interface(plugin).map(|(text, _)| text);
        let text = shipped.or_else(|| dtm_stdlib::interface(plugin))?;
        Some(Shipped { text: text.into(), version: "0.1.0".into(), interface_only: true })
    }
    fn shipped_names(&self) -> Vec<Symbol> {
        dtm_engine::plugin::shipped_names().map(Symbol::from).collect()
    }
    fn std_module(&self, name: &str) -> Option<Symbol> {
        dtm_stdlib::module(name).map(Symbol::from)
    }
    fn extensions(&self) -> &'static Extensions {
        &Extensions { frontends: &[dtm_devstream::FRONTEND], backends: dtm_engine::state::place::interfaces }
    }
}

/// Bytes as text, if they are any.
pub fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().filter(|t| t.len() <= 64 << 10)
}

/// A saved plan as a plan of a small program.
pub fn plan_of(saved: &Saved) -> Option<Plan> {
    static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
        let text = "dts 1\n\ntool a: core.Value { value = 1 }\ntool b: core.Value { value = a.id }\n";
        Program::load("main.dts", Arc::new(Files::of(text)), &Inputs::default(), Purpose::Plan).0
    });
    let plugins =
        Plugins::new("/nonexistent".into(), "/".into(), [], None, Arc::new(|_| {}), Redactor::default());
    saved.plan(&PROGRAM, &plugins).ok()
}

/// A kind with inputs and outputs of every sort.
pub fn kind() -> Arc<Declared> {
    static KIND: LazyLock<Arc<Declared>> = LazyLock::new(|| {
        let text = "dts 1\n\nplugin fuzz\n\nkind Thing {\n  @key in name: string\n  in secret: secret string?\n  in more: { a: int, b: [string], c: map<bool> }?\n  out id: string\n  out size: size\n  out took: duration?\n  out token: secret string?\n  out any: any\n}\n";
        let (plugin, _, problems) = dtm_lang::read_interface("fuzz.dts", text);
        let plugin = plugin.unwrap_or_else(|| panic!("{problems:?}"));
        plugin.kinds["Thing"].clone()
    });
    KIND.clone()
}

/// A plugin that touches nothing.
pub fn plugin() -> &'static Running {
    static RUNNING: OnceLock<Running> = OnceLock::new();
    running(&RUNNING, || Plugin {
        name: "fuzz",
        version: "0.0.0",
        interface: "",
        kinds: vec![dtm_plugin::erase::<Thing>()],
        settings: |json| Ok(Arc::new(json)),
        place: None,
    })
}

struct Thing;

impl Kind for Thing {
    const NAME: &'static str = "Thing";
    const ANSWERS: &'static [Method] = &[Method::Validate, Method::Plan, Method::Upgrade];
    type Inputs = Fields;
    type Outputs = Fields;

    async fn read(_: &Ctx, object: Object<Self>) -> Result<Option<Observed<Self>>, Failure> {
        let seen = Observed { outputs: object.outputs, inputs: object.inputs, drift: vec![], private: object.private };
        Ok((object.id != "absent").then_some(seen))
    }
    async fn create(_: &Ctx, inputs: Fields) -> Result<Change<Self>, Failure> {
        Ok(Change { id: "id".into(), outputs: inputs, private: ().into() })
    }
    async fn update(_: &Ctx, object: Object<Self>, inputs: Fields) -> Result<Change<Self>, Failure> {
        Ok(Change { id: object.id, outputs: inputs, private: object.private })
    }
    async fn delete(_: &Ctx, _: Object<Self>) -> Result<(), Failure> {
        Ok(())
    }
}
