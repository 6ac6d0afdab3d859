//! Folders and files as uncompressed tars inside a multipart body, written by a blocking task straight into the reply.
//!
//! A server answers before it knows how the body ends. So what can be known is checked first, and a file is read before its
//! size is announced, if it is small.

use super::files::{self, PathError};
use super::leftovers;
use bytes::{Bytes, BytesMut};
use nix::errno::Errno;
use nix::unistd::{AccessFlags, access};
use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;

/// Bytes in one chunk.
const CHUNK: usize = 256 << 10;

/// Files of at most this size are read before their size is announced.
const SMALL: u64 = 1 << 20;

/// Checks that everything at a path can be read. `named` is the path as the client wrote it. A file that has vanished
/// meanwhile is no error. What transfers left in a folder is left out, here and in the archive.
pub(super) fn check(home: &Path, path: &Path, named: &str) -> Result<(), PathError> {
    let mut waiting = vec![(path.to_path_buf(), PathBuf::from(named))];
    while let Some((path, named)) = waiting.pop() {
        let failed = |error: io::Error| files::system(&named.to_string_lossy(), &error);
        let kind = match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            meta => meta.map_err(failed)?.file_type(),
        };
        let needs = match () {
            () if kind.is_dir() => AccessFlags::R_OK | AccessFlags::X_OK,
            () if kind.is_file() => AccessFlags::R_OK,
            () => continue,
        };
        match access(&path, needs) {
            Ok(()) => {}
            Err(Errno::ENOENT) => continue,
            Err(error) => return Err(failed(error.into())),
        }
        if kind.is_dir() {
            for entry in fs::read_dir(&path).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                if leftovers::is_ours(&entry, home) {
                    continue;
                }
                waiting.push((entry.path(), named.join(entry.file_name())));
            }
        }
    }
    Ok(())
}

/// The body of a download: one part for each path. When a file cannot be read the body ends with an error, so that the
/// client does not take it for complete.
pub(super) fn multipart_of_tars(
    home: PathBuf,
    paths: Vec<PathBuf>,
    boundary: String,
) -> impl Stream<Item = io::Result<Bytes>> + use<> {
    let (sender, receiver) = mpsc::channel(4);
    tokio::task::spawn_blocking(move || {
        let mut out = Chunks { sender, buffer: BytesMut::with_capacity(CHUNK) };
        if let Err(error) = write_parts(&home, &paths, &boundary, &mut out) {
            // The client may have left.
            let _ = out.sender.blocking_send(Err(error));
        }
    });
    ReceiverStream::new(receiver)
}

fn write_parts(home: &Path, paths: &[PathBuf], boundary: &str, out: &mut Chunks) -> io::Result<()> {
    for path in paths {
        write!(
            out,
            "--{boundary}\r\nContent-Type: application/octet-stream\r\nContent-Encoding: identity\r\n\r\n"
        )?;
        write_tar(home, path, out)?;
        out.write_all(b"\r\n")?;
    }
    write!(out, "--{boundary}--\r\n")?;
    out.flush()
}

/// Members are named from the path's own last part, as Docker's archives are. Pipes and sockets are members without content,
/// so that a client can report them. A socket is a pipe there, because archives have no type for it. Devices are left out, and
/// so is what vanishes from a folder meanwhile.
fn write_tar(home: &Path, top: &Path, out: &mut Chunks) -> io::Result<()> {
    let mut tar = tar::Builder::new(out);
    let name = top.file_name().map_or_else(|| PathBuf::from("."), PathBuf::from);
    let mut waiting = vec![(top.to_path_buf(), name)];
    while let Some((path, name)) = waiting.pop() {
        match append(&mut tar, home, &path, &name) {
            Ok(below) => waiting.extend(below),
            Err(error) if error.kind() == io::ErrorKind::NotFound && path != top => {}
            Err(error) => return Err(error),
        }
    }
    tar.finish()
}

/// Adds one member. Returns what is in it, if it is a folder, in reverse order.
fn append(
    tar: &mut tar::Builder<&mut Chunks>,
    home: &Path,
    path: &Path,
    name: &Path,
) -> io::Result<Vec<(PathBuf, PathBuf)>> {
    let meta = fs::symlink_metadata(path)?;
    let kind = meta.file_type();
    let mut header = tar::Header::new_gnu();
    header.set_metadata_in_mode(&meta, tar::HeaderMode::Complete);
    if kind.is_dir() {
        let mut entries = fs::read_dir(path)?.collect::<io::Result<Vec<_>>>()?;
        entries.retain(|entry| !leftovers::is_ours(entry, home));
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.file_name()));
        // With a slash at the end, as archives name folders.
        tar.append_data(&mut header, name.join(""), io::empty())?;
        return Ok(entries.into_iter().map(|entry| (entry.path(), name.join(entry.file_name()))).collect());
    }
    if kind.is_symlink() {
        header.set_size(0);
        tar.append_link(&mut header, name, fs::read_link(path)?)?;
    } else if kind.is_file() {
        append_file(tar, header, name, path, &meta)?;
    } else if kind.is_fifo() || kind.is_socket() {
        header.set_entry_type(tar::EntryType::Fifo);
        header.set_size(0);
        tar.append_data(&mut header, name, io::empty())?;
    }
    Ok(Vec::new())
}

/// The size of a file is announced first. A file that grows meanwhile is cut there. A large one that becomes shorter is an error:
/// the announced size cannot be taken back.
fn append_file(
    tar: &mut tar::Builder<&mut Chunks>,
    mut header: tar::Header,
    name: &Path,
    path: &Path,
    meta: &Metadata,
) -> io::Result<()> {
    let mut file = File::open(path)?.take(meta.len());
    if meta.len() <= SMALL {
        let mut content = Vec::new();
        file.read_to_end(&mut content)?;
        header.set_size(content.len() as u64);
        return tar.append_data(&mut header, name, content.as_slice());
    }
    header.set_size(meta.len());
    tar.append_data(&mut header, name, &mut file)?;
    if file.limit() > 0 {
        return Err(io::Error::other(format!("{} has become shorter meanwhile", path.display())));
    }
    Ok(())
}

/// Collects written bytes into chunks, and waits while the client does not take them.
struct Chunks {
    sender: mpsc::Sender<io::Result<Bytes>>,
    buffer: BytesMut,
}

impl Write for Chunks {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(data);
        if self.buffer.len() >= CHUNK {
            self.flush()?;
        }
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let chunk = self.buffer.split().freeze();
        self.sender.blocking_send(Ok(chunk)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}
