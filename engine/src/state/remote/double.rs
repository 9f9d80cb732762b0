//! The double of a server, used in tests: objects in memory that lose answers, are busy, show old copies or refuse, when
//! they are told to.

use super::objects::{Condition, Fault, Object, Objects};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// What happens to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// None does.
    Well,
    /// It is carried out, and its answer is lost.
    AnswerLost,
    /// It is not carried out, and there is no answer.
    RequestLost,
    /// The server is busy, and says for how long.
    Busy(Duration),
    /// A read shows what was there before the last write.
    Stale,
    /// It will never be allowed.
    Denied,
}

#[derive(Default)]
struct Inner {
    objects: BTreeMap<String, (u64, Vec<u8>)>,
    before: BTreeMap<String, (u64, Vec<u8>)>,
    versions: u64,
    puts: VecDeque<Mishap>,
    gets: VecDeque<Mishap>,
    requests: Vec<(&'static str, String)>,
    careless: bool,
}

/// Objects in memory.
#[derive(Clone, Default)]
pub struct MemoryObjects {
    inner: Arc<Mutex<Inner>>,
}

impl MemoryObjects {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(|e| e.into_inner())
    }
    /// What happens to the next writes, in order.
    pub fn next_puts(&self, mishaps: impl IntoIterator<Item = Mishap>) {
        self.inner().puts.extend(mishaps);
    }
    /// What happens to the next reads, in order.
    pub fn next_gets(&self, mishaps: impl IntoIterator<Item = Mishap>) {
        self.inner().gets.extend(mishaps);
    }
    /// Every request so far: the verb and the name. They begin anew.
    pub fn take_requests(&self) -> Vec<(&'static str, String)> {
        std::mem::take(&mut self.inner().requests)
    }
    /// From here on, conditions are not looked at.
    pub fn ignore_conditions(&self) {
        self.inner().careless = true;
    }
    /// What is there.
    pub fn names(&self) -> Vec<String> {
        self.inner().objects.keys().cloned().collect()
    }
    /// The bytes of an object, as they are.
    pub fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        self.inner().objects.get(name).map(|(_, bytes)| bytes.clone())
    }
    /// Changes an object behind everybody's back; `None` removes it.
    pub fn tamper(&self, name: &str, bytes: Option<Vec<u8>>) {
        let mut inner = self.inner();
        inner.versions += 1;
        let version = inner.versions;
        match bytes {
            Some(bytes) => _ = inner.objects.insert(name.into(), (version, bytes)),
            None => _ = inner.objects.remove(name),
        }
    }
}

fn unsure(why: &str) -> Fault {
    Fault::Unsure { why: why.into(), after: None }
}

fn denied() -> Fault {
    Fault::Denied { why: "access denied".into(), help: "ask for it".into() }
}

impl Objects for MemoryObjects {
    fn get(&self, name: &str) -> Result<Option<Object>, Fault> {
        let mut inner = self.inner();
        inner.requests.push(("get", name.into()));
        let from = match inner.gets.pop_front().unwrap_or(Mishap::Well) {
            Mishap::Well => &inner.objects,
            Mishap::Stale => &inner.before,
            Mishap::Busy(after) => return Err(Fault::Unsure { why: "busy".into(), after: Some(after) }),
            Mishap::Denied => return Err(denied()),
            Mishap::AnswerLost | Mishap::RequestLost => return Err(unsure("no answer")),
        };
        let found = from.get(name);
        Ok(found.map(|(v, bytes)| Object { bytes: bytes.clone(), version: v.to_string() }))
    }

    fn put(&self, name: &str, bytes: &[u8], condition: &Condition) -> Result<String, Fault> {
        let mut inner = self.inner();
        inner.requests.push(("put", name.into()));
        let mishap = inner.puts.pop_front().unwrap_or(Mishap::Well);
        match &mishap {
            Mishap::Busy(after) => return Err(Fault::Unsure { why: "busy".into(), after: Some(*after) }),
            Mishap::Denied => return Err(denied()),
            Mishap::RequestLost => return Err(unsure("no answer")),
            Mishap::Well | Mishap::AnswerLost | Mishap::Stale => {}
        }
        let holds = match (condition, inner.objects.get(name)) {
            (Condition::Absent, found) => found.is_none(),
            (Condition::Same(wanted), found) => found.is_some_and(|(v, _)| v.to_string() == *wanted),
        };
        if !holds && !inner.careless {
            return Err(Fault::Refused);
        }
        inner.versions += 1;
        let version = inner.versions;
        if let Some(old) = inner.objects.insert(name.into(), (version, bytes.to_vec())) {
            inner.before.insert(name.into(), old);
        }
        if let Mishap::AnswerLost = mishap { Err(unsure("no answer")) } else { Ok(version.to_string()) }
    }

    fn list(&self) -> Result<Vec<String>, Fault> {
        self.inner().requests.push(("list", String::new()));
        Ok(self.names())
    }

    fn delete(&self, name: &str) -> Result<(), Fault> {
        let mut inner = self.inner();
        inner.requests.push(("delete", name.into()));
        inner.objects.remove(name);
        Ok(())
    }

    fn never(&self) -> Option<String> {
        self.inner().careless.then(|| "never".into())
    }

    fn describe(&self) -> String {
        "memory://state".into()
    }
}
