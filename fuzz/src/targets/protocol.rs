//! The messages of `bai-protocol`. What was read and is written again is read as the same.

use bai_protocol::binary_frame::{InputBytes, Output, OutputWriter};
use bai_protocol::complete::Completion;
use bai_protocol::events::SessionEvent;
use bai_protocol::execute::{ExecuteReply, ExecuteResult, IncomingExecute};
use bai_protocol::files::ListReply;
use bai_protocol::history::StatusHistory;
use bai_protocol::info::SessionInfo;
use bai_protocol::live_stat::LiveStat;
use bai_protocol::problem::ErrorBody;
use bai_protocol::pty::{PtyReply, PtyRequest, TtydReply};
use bai_protocol::record::ConsoleRecord;
use bai_protocol::service::{ServiceParameters, parse_apps, parse_service_ports};
use bai_protocol::summary::SessionSummary;
use bai_protocol::version::Hello;
use bytes::Bytes;
use serde_json::Value;

/// Binary frames of code execution.
pub fn binary_frame(bytes: &[u8]) {
    if let Some(piece) = InputBytes::from_frame(bytes) {
        assert_eq!(piece.to_frame(), bytes);
    }
    let Some(output) = Output::from_frame(bytes) else { return };
    let mut again = OutputWriter::new(output.number, bytes.len());
    output.pieces.iter().for_each(|(stream, bytes)| again.push(*stream, bytes));
    let again = again.finish();
    // Neighbours of one stream become one piece.
    assert!(
        again.len() <= bytes.len()
            && Output::from_frame(&again).is_some_and(|read| read.number == output.number)
    );
}

/// Requests and results of code execution.
pub fn execute(bytes: &[u8]) {
    if let Ok(call) = serde_json::from_slice::<IncomingExecute>(bytes) {
        let _ = (call.run_id(), call.batch());
    }
    let _ = serde_json::from_slice::<ExecuteReply>(bytes);
    let Ok(result) = serde_json::from_slice::<ExecuteResult>(bytes) else { return };
    let _ = result.is_password();
    let again = serde_json::to_vec(&result).map(|text| serde_json::from_slice::<ExecuteResult>(&text));
    assert_eq!(again.ok().and_then(Result::ok).as_ref(), Some(&result));
    let limit = bytes.len() / 2;
    let mut joined: Option<ConsoleRecord> = None;
    for record in result.console {
        joined = match joined.take() {
            Some(mut before) => before.append(record, limit).err().or(Some(before)),
            None => Some(record),
        };
    }
    let rest = joined.and_then(|mut record| record.split_off(limit).map(|rest| rest.size()));
    assert!(rest.is_none_or(|size| size <= bytes.len() * 3));
}

/// Frames of terminals.
pub fn pty(bytes: &[u8]) {
    let _ = TtydReply::parse(Bytes::copy_from_slice(bytes));
    if let Ok(request) = PtyRequest::parse(bytes) {
        assert_eq!(PtyRequest::parse(request.to_text().as_bytes()), Ok(request));
    }
    if let Ok(reply) = PtyReply::parse(bytes) {
        assert_eq!(PtyReply::parse(reply.to_text().as_bytes()), Ok(reply));
    }
}

/// Other replies, and labels and queries beside them.
pub fn replies(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let _ = ErrorBody::parse(bytes).slug();
    let _ = SessionEvent::parse("kernel_started", &text).status();
    let _ = (parse_apps(bytes), parse_service_ports(&text));
    let _ = ServiceParameters::from_query(Some(&text), Some(&text));
    let _ = serde_json::from_slice::<Hello>(bytes);
    if let Ok(list) = serde_json::from_slice::<ListReply>(bytes) {
        let _ = list.entries();
    }
    if let Ok(info) = serde_json::from_slice::<SessionInfo>(bytes) {
        let _ = (info.image(), info.resources(), info.cells(), info.current_run(), info.environ());
    }
    if let Ok(summary) = serde_json::from_slice::<SessionSummary>(bytes) {
        let _ = summary.session_type();
    }
    let Ok(value) = serde_json::from_slice::<Value>(bytes) else { return };
    let _ = (Completion::from_wire(&value), StatusHistory::from_wire(&value));
    let stat = LiveStat::of(&value);
    let mut sum = stat.clone();
    sum.add(&stat);
    let _ = (sum.cpu(), sum.memory(), sum.accelerators());
    if let Some(record) = ConsoleRecord::from_wire(value) {
        assert_eq!(ConsoleRecord::from_wire(record.to_wire()), Some(record));
    }
}
