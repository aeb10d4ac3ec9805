//! Values to set, as the hives of a layer that hold what differs.

use std::collections::BTreeMap;

use super::{Key, NewKey, Read, RegistryValue, same_name, write};
use crate::images::windows::form;
use crate::images::windows::path::{Part, Place, folded};
use crate::images::windows::view::View;
use crate::{Error, ErrorKind, Result};

/// The largest file of a registry that is read.
const LARGEST: u64 = 512 << 20;

/// A file of the registry that may be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Hive {
    Software,
    System,
    DefaultUser,
}

impl Hive {
    /// Its name in layers, without what says whether it is the whole or what differs.
    fn name(self) -> &'static str {
        match self {
            Self::Software => "Software",
            Self::System => "System",
            Self::DefaultUser => "DefaultUser",
        }
    }

    /// The file of the base layer that it is made of.
    fn file(self) -> &'static str {
        match self {
            Self::Software => "SOFTWARE",
            Self::System => "SYSTEM",
            Self::DefaultUser => "DEFAULT",
        }
    }
}

/// A value to set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryChange {
    /// The key with its root, as `HKLM\SOFTWARE\Vendor`.
    pub key: String,
    /// The value.
    pub value: RegistryValue,
}

impl RegistryChange {
    fn refused(&self, why: &str, hint: &str) -> Error {
        Error::new(ErrorKind::Unsupported, format!("set a value of `{}`: {why}", self.key)).with_hint(hint)
    }

    /// The file that the key is in, and its names there.
    fn hive(&self) -> Result<(Hive, Vec<&str>)> {
        const HINT: &str = r"keys below `HKLM\SOFTWARE`, `HKLM\SYSTEM` and `HKU\.DEFAULT` can be changed";
        let mut names = self.key.split('\\');
        let root = names.next().unwrap_or_default().to_ascii_uppercase();
        let machine = match &root[..] {
            "HKLM" | "HKEY_LOCAL_MACHINE" => true,
            "HKU" | "HKEY_USERS" => false,
            _ => return Err(self.refused("it is none that layers have", HINT)),
        };
        let hive = names.next().unwrap_or_default();
        let hive = match (machine, &hive.to_ascii_uppercase()[..]) {
            (true, "SOFTWARE") => Hive::Software,
            (true, "SYSTEM") => Hive::System,
            (false, ".DEFAULT") => Hive::DefaultUser,
            _ => return Err(self.refused("it is in none of the files that layers may change", HINT)),
        };
        Ok((hive, names.collect()))
    }
}

/// The files of a layer's `Hives` that set these values over the layers of the view: name and content.
pub(in crate::images::windows) fn delta_hives(
    below: &View,
    changes: &[RegistryChange],
) -> Result<Vec<(String, Vec<u8>)>> {
    let mut by_hive: BTreeMap<Hive, Vec<(&RegistryChange, Vec<&str>)>> = BTreeMap::new();
    for change in changes {
        let (hive, names) = change.hive()?;
        by_hive.entry(hive).or_default().push((change, names));
    }
    by_hive.into_iter().map(|(hive, changes)| delta(below, hive, &changes)).collect()
}

fn delta(below: &View, hive: Hive, changes: &[(&RegistryChange, Vec<&str>)]) -> Result<(String, Vec<u8>)> {
    let files = files_of(below, hive)?;
    let hives = files.iter().map(|bytes| Read::new(bytes)).collect::<Result<Vec<_>, _>>();
    let hives = hives.map_err(|problem| damaged(hive, problem))?;
    let mut root = key(&hives, &[], hive)?.ok_or_else(|| damaged(hive, "no root"))?;
    root.name = "ROOT".into();
    for (change, names) in changes {
        let mut names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        if let Some(first) =
            names.first_mut().filter(|first| hive == Hive::System && same_name(first, "CurrentControlSet"))
        {
            *first = control_set(&hives).map_err(|problem| damaged(hive, problem))?;
        }
        set(&mut root, &hives, &names, 0, change, hive)?;
    }
    let name = format!("{}_Delta", hive.name());
    match write(&root, &name) {
        Ok(bytes) => Ok((name, bytes)),
        Err(problem) => {
            Err(Error::new(ErrorKind::InvalidArgument, format!("write the registry `{name}`: {problem}")))
        }
    }
}

fn damaged(hive: Hive, problem: &str) -> Error {
    let name = hive.name();
    Error::new(
        ErrorKind::Corrupt,
        format!("read the registry `{name}` of the image's layers: it has {problem}"),
    )
    .with_hint("values can only be set over a registry that can be read")
}

/// The whole hive of the base, and what differs of the layers above, topmost first.
fn files_of(below: &View, hive: Hive) -> Result<Vec<Vec<u8>>> {
    let names = [format!("{}_Delta", hive.name()), format!("{}_Base", hive.name())];
    let mut files = Vec::new();
    for (folder, content) in below.hives(&names) {
        files.push(whole(content.size, |to| form::copy_content(folder, content, to))?);
    }
    let names = ["Windows", "System32", "config", hive.file()].map(str::to_owned).to_vec();
    if let Some(entry) = below.find(&Place { part: Part::Files, names }) {
        files.push(whole(entry.size, |to| below.read(entry, to))?);
    }
    if files.is_empty() {
        return Err(damaged(hive, "no file"));
    }
    Ok(files)
}

fn whole(size: u64, read: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<Vec<u8>> {
    if size > LARGEST {
        return Err(Error::new(
            ErrorKind::ResourceExhausted,
            format!("a file of the image's registry has {size} bytes, more than {LARGEST}"),
        ));
    }
    let mut bytes = Vec::new();
    read(&mut bytes)?;
    Ok(bytes)
}

/// The key as the layers have it: that of the topmost one, if it is not gone there.
fn find<'a>(hives: &[Read<'a>], names: &[&str]) -> Result<Option<Key<'a>>, &'static str> {
    for hive in hives {
        if let Some(key) = hive.find(names)? {
            return Ok(Some(key).filter(|key| !key.is_gone));
        }
    }
    Ok(None)
}

/// A key over that of the layers below; none if they have none.
fn key(hives: &[Read<'_>], names: &[&str], hive: Hive) -> Result<Option<NewKey>> {
    let read = |problem| damaged(hive, problem);
    let Some(found) = find(hives, names).map_err(read)? else { return Ok(None) };
    if found.is_link {
        return Err(Error::new(
            ErrorKind::Unsupported,
            format!("the key `{}` of the registry stands for another one", names.join("\\")),
        )
        .with_hint("name the key that it leads to"));
    }
    Ok(Some(NewKey {
        security: found.security().map_err(read)?.to_vec(),
        name: found.name,
        inherit_class: true,
        keys: Vec::new(),
        values: Vec::new(),
    }))
}

fn set(
    at: &mut NewKey,
    hives: &[Read<'_>],
    names: &[String],
    depth: usize,
    change: &RegistryChange,
    hive: Hive,
) -> Result<()> {
    let Some(name) = names.get(depth) else {
        at.values.retain(|value| folded(&value.name) != folded(&change.value.name));
        at.values.push(change.value.clone());
        return Ok(());
    };
    let known = at.keys.iter().position(|key| same_name(&key.name, name));
    let index = match known {
        Some(index) => index,
        None => {
            let way: Vec<&str> = names[..=depth].iter().map(String::as_str).collect();
            // A new key is who may use the one above it.
            let new = || NewKey { name: name.clone(), security: at.security.clone(), ..NewKey::default() };
            let made = key(hives, &way, hive)?.unwrap_or_else(new);
            at.keys.push(made);
            at.keys.len() - 1
        }
    };
    set(&mut at.keys[index], hives, names, depth + 1, change, hive)
}

/// Which set of the system's settings is the current one.
fn control_set(hives: &[Read<'_>]) -> Result<String, &'static str> {
    const MISSING: &str =
        r"no value `Current` of the key `Select`: name `ControlSet001` instead of `CurrentControlSet`";
    let select = find(hives, &["Select"])?.ok_or(MISSING)?;
    let current =
        select.values()?.into_iter().find(|value| same_name(&value.name, "Current")).ok_or(MISSING)?;
    let number: [u8; 4] = current.data.try_into().map_err(|_| MISSING)?;
    Ok(format!("ControlSet{:03}", u32::from_le_bytes(number)))
}

impl RegistryValue {
    /// Reads a value as people write it: `dword` and `qword` a number, decimal or `0x` and hexadecimal; `sz` and `expand_sz`
    /// text; `multi_sz` texts parted by `\0`; `binary` hexadecimal digits.
    ///
    /// # Errors
    ///
    /// A kind that is not known, or data that are not of it.
    pub fn of_text(name: &str, kind: &str, text: &str) -> Result<Self> {
        let wide =
            |text: &str| text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        let number = || match text.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16).ok(),
            None => text.parse().ok(),
        };
        let read = match &kind.to_ascii_lowercase()[..] {
            "sz" => Some((1, wide(text))),
            "expand_sz" => Some((2, wide(text))),
            "binary" => bytes_of_hex(text).map(|bytes| (3, bytes)),
            "dword" => number()
                .and_then(|number| u32::try_from(number).ok())
                .map(|number| (4, number.to_le_bytes().to_vec())),
            "multi_sz" => {
                let texts = text.split("\\0").filter(|text| !text.is_empty());
                Some((7, texts.flat_map(wide).chain([0, 0]).collect()))
            }
            "qword" => number().map(|number| (11, number.to_le_bytes().to_vec())),
            _ => {
                return Err(Error::new(
                    ErrorKind::InvalidArgument,
                    format!("`{kind}` is no kind of a registry value"),
                )
                .with_hint("it is one of sz, expand_sz, multi_sz, dword, qword, binary"));
            }
        };
        let (kind, data) = read.ok_or_else(|| {
            Error::new(ErrorKind::InvalidArgument, format!("`{text}` is no {kind} value of a registry"))
        })?;
        Ok(Self { name: name.to_owned(), kind, data })
    }
}

fn bytes_of_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .chars()
        .filter(|character| !matches!(character, ' ' | ','))
        .map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok()))
        .collect::<Option<_>>()?;
    digits
        .len()
        .is_multiple_of(2)
        .then(|| digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}
