//! The key pair that an engine accepts. The secret never gets into a log: `secrecy` hides it from `Debug`.

use bai_protocol::sign::PROVING;
use secrecy::SecretString;

/// An access key and its secret key, as a cluster would give them to a user.
#[derive(Debug, Clone)]
pub struct Keypair {
    access_key: String,
    secret_key: SecretString,
}

impl Keypair {
    /// A new pair from the system's random numbers. The access key has the form of a cluster's: `AKIA` and 16 capitals or
    /// digits. The secret has 244 random bits, and says that its server proves itself ([`PROVING`]).
    pub fn random() -> Self {
        let digits = uuid::Uuid::new_v4().simple().to_string().to_uppercase();
        let access_key = format!("AKIA{}", digits.chars().take(16).collect::<String>());
        let secret = format!("{PROVING}{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
        Keypair { access_key, secret_key: SecretString::from(secret) }
    }

    /// An existing pair, such as that of a background engine.
    pub fn new(access_key: impl Into<String>, secret_key: SecretString) -> Self {
        Keypair { access_key: access_key.into(), secret_key }
    }

    /// The public half.
    pub fn access_key(&self) -> &str {
        &self.access_key
    }

    /// The secret half.
    pub fn secret_key(&self) -> &SecretString {
        &self.secret_key
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    #[test]
    fn key_pairs_are_unique_and_do_not_print_their_secret() {
        let (one, other) = (Keypair::random(), Keypair::random());
        assert_ne!(one.access_key(), other.access_key());
        assert_eq!((one.access_key().len(), one.secret_key().expose_secret().len()), (20, 70));
        assert!(!format!("{one:?}").contains(one.secret_key().expose_secret()));
    }
}
