//! Folders and files as uncompressed tars inside a multipart body, written by a blocking task straight into the reply.

use bytes::{Bytes, BytesMut};
use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;

/// Bytes in one chunk.
const CHUNK: usize = 256 << 10;

/// The body of a download: one part for each path. When a file cannot be read the body ends with an error, so that the
/// client does not take it for complete.
pub(super) fn multipart_of_tars(
    paths: Vec<PathBuf>,
    boundary: String,
) -> impl Stream<Item = io::Result<Bytes>> + use<> {
    let (sender, receiver) = mpsc::channel(4);
    tokio::task::spawn_blocking(move || {
        let mut out = Chunks { sender, buffer: BytesMut::with_capacity(CHUNK) };
        if let Err(error) = write_parts(&paths, &boundary, &mut out) {
            // The client may have left.
            let _ = out.sender.blocking_send(Err(error));
        }
    });
    ReceiverStream::new(receiver)
}

fn write_parts(paths: &[PathBuf], boundary: &str, out: &mut Chunks) -> io::Result<()> {
    for path in paths {
        write!(
            out,
            "--{boundary}\r\nContent-Type: application/octet-stream\r\nContent-Encoding: identity\r\n\r\n"
        )?;
        write_tar(path, out)?;
        out.write_all(b"\r\n")?;
    }
    write!(out, "--{boundary}--\r\n")?;
    out.flush()
}

/// Members are named from the path's own last part, as Docker's archives are. Pipes and sockets are members without content,
/// so that a client can report them. A socket is a pipe there, because archives have no type for it. Devices are left out.
fn write_tar(path: &Path, out: &mut Chunks) -> io::Result<()> {
    let mut tar = tar::Builder::new(out);
    let name = path.file_name().map_or_else(|| PathBuf::from("."), PathBuf::from);
    let mut waiting = vec![(path.to_path_buf(), name)];
    while let Some((path, name)) = waiting.pop() {
        let meta = fs::symlink_metadata(&path)?;
        let kind = meta.file_type();
        let mut header = tar::Header::new_gnu();
        header.set_metadata_in_mode(&meta, tar::HeaderMode::Complete);
        if kind.is_dir() {
            // With a slash at the end, as archives name folders.
            tar.append_data(&mut header, name.join(""), io::empty())?;
            let mut entries = fs::read_dir(&path)?.collect::<io::Result<Vec<_>>>()?;
            entries.sort_by_key(|entry| std::cmp::Reverse(entry.file_name()));
            waiting.extend(entries.into_iter().map(|entry| (entry.path(), name.join(entry.file_name()))));
        } else if kind.is_symlink() {
            header.set_size(0);
            tar.append_link(&mut header, &name, fs::read_link(&path)?)?;
        } else if kind.is_file() {
            append_file(&mut tar, header, &name, &path, &meta)?;
        } else if kind.is_fifo() || kind.is_socket() {
            header.set_entry_type(tar::EntryType::Fifo);
            header.set_size(0);
            tar.append_data(&mut header, &name, io::empty())?;
        }
    }
    tar.finish()
}

/// The size of a file is announced first. A file that changes its size meanwhile is cut, or filled up with zeros.
fn append_file(
    tar: &mut tar::Builder<&mut Chunks>,
    mut header: tar::Header,
    name: &Path,
    path: &Path,
    meta: &Metadata,
) -> io::Result<()> {
    header.set_size(meta.len());
    let content = File::open(path)?.chain(io::repeat(0)).take(meta.len());
    tar.append_data(&mut header, name, content)
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
