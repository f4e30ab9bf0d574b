//! Whether a file and its table are supported.

use std::path::Path;

use session_store_core::{Error, Result};

use crate::error;
use crate::schema::Layout;

/// The layout that this release reads and writes.
const LAYOUT: u32 = 1;

/// Refuses a table that is not supported.
pub(crate) fn check(layout: Layout) -> Result<()> {
    match layout {
        Layout::NoTable => Err(error::Error::NoTable.into()),
        Layout::Foreign => Err(Error::config(
            "the table is not one of session-store's, or has lost the comment in its definition; choose another name",
        )),
        Layout::Number(layout) if layout > LAYOUT => Err(Error::config(format!(
            "the table is of layout {layout}, which a later release created, and this one supports only {LAYOUT}; update \
             the application"
        ))),
        Layout::Number(layout) if layout < LAYOUT => Err(Error::config(format!(
            "the table is of layout {layout}, and this release requires {LAYOUT}; `SqliteStoreBuilder::migrate` brings it \
             up to date"
        ))),
        Layout::Number(_) => Ok(()),
    }
}

/// Refuses a file on a network file system: processes on several machines cannot share the memory that SQLite's
/// write-ahead log needs, and locks are not reliable there. See "How To Corrupt An SQLite Database File", section 2, on
/// sqlite.org.
#[cfg(target_os = "linux")]
pub(crate) fn check_file_system(path: &Path) -> Result<()> {
    // Of linux/magic.h: NFS, SMB, CIFS, SMB2, AFS, Ceph.
    const NETWORK: [u64; 6] = [0x6969, 0x517b, 0xff53_4d42, 0xfe53_4d42, 0x5346_414f, 0x00c3_6400];
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // If it cannot be read, opening the file gives the better error.
    let Ok(file_system) = rustix::fs::statfs(folder) else { return Ok(()) };
    let kind = u64::try_from(file_system.f_type).unwrap_or_default() & 0xffff_ffff;
    if NETWORK.contains(&kind) {
        return Err(Error::config(
            "the file is on a network file system, where SQLite's locks and its write-ahead log do not work; use a local \
             disk, or the store for PostgreSQL",
        ));
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn check_file_system(_path: &Path) -> Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_supported_is_refused_with_advice() {
        check(Layout::Number(1)).unwrap();
        let table = [
            (Layout::NoTable, "Builder::migrate"),
            (Layout::Foreign, "not one of session-store's"),
            (Layout::Number(0), "up to date"),
            (Layout::Number(2), "later release"),
        ];
        for (layout, advice) in table {
            let error = check(layout).unwrap_err().to_string();
            assert!(error.contains(advice), "{error}");
        }
    }
}
