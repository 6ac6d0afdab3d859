//! The rules that every server applies to a create request and to the name of a session.

use super::request::{CreateRequest, SessionType};

/// Ports that a session needs for itself (`docs/wire` §2.2).
const RESERVED_PORTS: [u16; 4] = [2000, 2001, 2200, 7681];

impl CreateRequest {
    /// Checks for what every server would refuse.
    ///
    /// # Errors
    /// The first problem.
    pub fn check(&self) -> Result<(), BadRequest> {
        check_name(&self.name)?;
        let is_batch = self.session_type == Some(SessionType::Batch);
        let blank = |text: &Option<String>| text.as_deref().is_none_or(|text| text.trim().is_empty());
        if is_batch && self.template.is_none() && blank(&self.startup_command) {
            return Err(BadRequest::NoCommand);
        }
        if !is_batch && self.template.is_none() && !(self.starts_at.is_none() && self.batch_timeout.is_none())
        {
            return Err(BadRequest::OnlyBatch);
        }
        if let Some(port) =
            self.preopen_ports.iter().find(|port| **port <= 1024 || RESERVED_PORTS.contains(port))
        {
            return Err(BadRequest::Port(*port));
        }
        if self.cluster_size == Some(0) {
            return Err(BadRequest::NoContainer);
        }
        let is_wrong = |(name, value): &(&String, &String)| {
            name.is_empty() || name.contains(['=', '\0']) || value.contains('\0')
        };
        if let Some((name, _)) = self.environ.iter().find(is_wrong) {
            return Err(BadRequest::Variable(name.clone()));
        }
        Ok(())
    }
}

/// Checks that a server accepts this as a session's name: 4 to 64 characters, word characters at both ends,
/// inside also `.` and `-`, and not the reserved `from-template`.
///
/// # Errors
/// The rule that it breaks.
pub fn check_name(name: &str) -> Result<(), BadName> {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let length = name.chars().count();
    if !(4..=64).contains(&length) {
        return Err(BadName::Length(length));
    }
    let ends = name.starts_with(word) && name.ends_with(word);
    if !ends || !name.chars().all(|c| word(c) || c == '.' || c == '-') {
        return Err(BadName::Characters);
    }
    if name == "from-template" { Err(BadName::Reserved) } else { Ok(()) }
}

/// Why a session cannot have a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadName {
    /// Too short or too long.
    #[error("a session name has 4 to 64 characters, this one has {0}")]
    Length(usize),
    /// A character other than letters, digits, `_`, `.` and `-`, or one at an end that is not a letter or digit.
    #[error("a session name has letters, digits and _, inside also . and -")]
    Characters,
    /// A name that the server reserves.
    #[error("that session name is reserved")]
    Reserved,
}

/// Why no server would take a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadRequest {
    /// The name.
    #[error(transparent)]
    Name(#[from] BadName),
    /// A batch session without a command.
    #[error("a batch session needs a startup command")]
    NoCommand,
    /// A time for a session that is not of the batch type.
    #[error("a start time and a time limit are for batch sessions only")]
    OnlyBatch,
    /// A port that cannot be opened.
    #[error(
        "port {0} cannot be opened: sessions use 2000, 2001, 2200 and 7681, and those up to 1024 are not free"
    )]
    Port(u16),
    /// A cluster without nodes.
    #[error("a session has at least one container")]
    NoContainer,
    /// An environment variable that no program can have.
    #[error(
        "the environment variable {0:?} cannot be set: a name is not empty and has no =, and neither has a NUL"
    )]
    Variable(String),
}

#[cfg(test)]
mod tests {
    use super::super::request::tests::{everything, request};
    use super::*;

    #[test]
    fn requests_that_no_server_accepts_are_refused() {
        let wrong = |change: fn(&mut CreateRequest)| {
            let mut request = request();
            change(&mut request);
            request.check().unwrap_err()
        };
        assert_eq!(wrong(|r| r.name = "x".into()), BadRequest::Name(BadName::Length(1)));
        assert_eq!(wrong(|r| r.session_type = Some(SessionType::Batch)), BadRequest::NoCommand);
        assert_eq!(wrong(|r| r.starts_at = Some("1h".into())), BadRequest::OnlyBatch);
        assert_eq!(wrong(|r| r.preopen_ports = vec![8080, 2200]), BadRequest::Port(2200));
        assert_eq!(wrong(|r| r.cluster_size = Some(0)), BadRequest::NoContainer);
        for (name, value) in [("", "x"), ("A=B", "x"), ("A\0", "x"), ("A", "x\0")] {
            let mut request = request();
            request.environ.insert(name.into(), value.into());
            assert_eq!(request.check(), Err(BadRequest::Variable(name.into())));
        }
        assert_eq!(everything().check(), Ok(()));
    }

    #[test]
    fn names_follow_the_servers_rule() {
        for good in ["work", "quiet-otter-3f2a", "a.b_c", "한글이름", &"x".repeat(64)] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        for bad in ["abc", "-work", "work-", "wo rk", "wo/rk", "wo\u{1b}rk", "from-template", &"x".repeat(65)]
        {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
