//! Passes methods of [`sp_keystore::Keystore`] on to the field `inner`, for keystores that change only some of them.

/// Implements the named methods.
macro_rules! delegate_to_inner {
    ($($method:ident),* $(,)?) => { $(delegate_to_inner!(@ $method);)* };
    (@ public_keys) => {
        fn sr25519_public_keys(&self, key_type: KeyTypeId) -> Vec<sr25519::Public> {
            self.inner.sr25519_public_keys(key_type)
        }

        fn ed25519_public_keys(&self, key_type: KeyTypeId) -> Vec<ed25519::Public> {
            self.inner.ed25519_public_keys(key_type)
        }

        fn ecdsa_public_keys(&self, key_type: KeyTypeId) -> Vec<ecdsa::Public> {
            self.inner.ecdsa_public_keys(key_type)
        }

        fn keys(&self, key_type: KeyTypeId) -> Result<Vec<Vec<u8>>, Error> {
            self.inner.keys(key_type)
        }

        fn has_keys(&self, keys: &[(Vec<u8>, KeyTypeId)]) -> bool {
            self.inner.has_keys(keys)
        }
    };
    (@ new_keys) => {
        fn sr25519_generate_new(
            &self,
            key_type: KeyTypeId,
            seed: Option<&str>,
        ) -> Result<sr25519::Public, Error> {
            self.inner.sr25519_generate_new(key_type, seed)
        }

        fn ed25519_generate_new(
            &self,
            key_type: KeyTypeId,
            seed: Option<&str>,
        ) -> Result<ed25519::Public, Error> {
            self.inner.ed25519_generate_new(key_type, seed)
        }

        fn ecdsa_generate_new(&self, key_type: KeyTypeId, seed: Option<&str>) -> Result<ecdsa::Public, Error> {
            self.inner.ecdsa_generate_new(key_type, seed)
        }

        fn insert(&self, key_type: KeyTypeId, secret: &str, public: &[u8]) -> Result<(), ()> {
            self.inner.insert(key_type, secret, public)
        }
    };
    (@ ed25519_sign) => {
        fn ed25519_sign(
            &self,
            key_type: KeyTypeId,
            public: &ed25519::Public,
            message: &[u8],
        ) -> Result<Option<ed25519::Signature>, Error> {
            self.inner.ed25519_sign(key_type, public, message)
        }
    };
    (@ other_signatures) => {
        fn sr25519_sign(
            &self,
            key_type: KeyTypeId,
            public: &sr25519::Public,
            message: &[u8],
        ) -> Result<Option<sr25519::Signature>, Error> {
            self.inner.sr25519_sign(key_type, public, message)
        }

        fn sr25519_vrf_sign(
            &self,
            key_type: KeyTypeId,
            public: &sr25519::Public,
            data: &sr25519::vrf::VrfSignData,
        ) -> Result<Option<sr25519::vrf::VrfSignature>, Error> {
            self.inner.sr25519_vrf_sign(key_type, public, data)
        }

        fn sr25519_vrf_pre_output(
            &self,
            key_type: KeyTypeId,
            public: &sr25519::Public,
            input: &sr25519::vrf::VrfInput,
        ) -> Result<Option<sr25519::vrf::VrfPreOutput>, Error> {
            self.inner.sr25519_vrf_pre_output(key_type, public, input)
        }

        fn ecdsa_sign(
            &self,
            key_type: KeyTypeId,
            public: &ecdsa::Public,
            message: &[u8],
        ) -> Result<Option<ecdsa::Signature>, Error> {
            self.inner.ecdsa_sign(key_type, public, message)
        }

        fn ecdsa_sign_prehashed(
            &self,
            key_type: KeyTypeId,
            public: &ecdsa::Public,
            message: &[u8; 32],
        ) -> Result<Option<ecdsa::Signature>, Error> {
            self.inner.ecdsa_sign_prehashed(key_type, public, message)
        }
    };
}

pub(super) use delegate_to_inner;
