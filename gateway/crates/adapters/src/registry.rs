//! The list of all kinds of adapters.

use crate::{Adapter, AdapterContext};
use serde::de::MapAccess;
use std::fmt;

macro_rules! adapters {
    ($($(#[$condition:meta])* $variant:ident => $adapter:ty;)*) => {
        /// The configuration of one adapter of any kind.
        #[derive(Clone, PartialEq, Eq, Debug)]
        pub enum AdapterConfig {
            $(
                $(#[$condition])*
                #[doc = concat!("The configuration of `", stringify!($adapter), "`.")]
                $variant(<$adapter as Adapter>::Config),
            )*
        }

        impl AdapterConfig {
            /// The names of all kinds.
            pub const KINDS: &'static [&'static str] = &[$($(#[$condition])* <$adapter as Adapter>::KIND,)*];

            /// Reads the value of the map entry with the key `kind`, or returns `None` if there is no such kind.
            pub fn from_entry<'de, A: MapAccess<'de>>(kind: &str, map: &mut A) -> Result<Option<Self>, A::Error> {
                let _ = &map;
                $(
                    $(#[$condition])*
                    if kind == <$adapter as Adapter>::KIND {
                        return map.next_value().map(|config| Some(Self::$variant(config)));
                    }
                )*
                Ok(None)
            }

            /// Returns the name of the adapter's kind.
            pub fn kind(&self) -> &'static str {
                match *self {
                    $($(#[$condition])* Self::$variant(_) => <$adapter as Adapter>::KIND,)*
                }
            }

            /// Runs the adapter until `context.stop` is cancelled.
            pub async fn run(self, context: AdapterContext) {
                let _ = &context;
                match self {
                    $($(#[$condition])* Self::$variant(config) => <$adapter as Adapter>::run(config, context).await,)*
                }
            }
        }

        /// Describes the source and its address.
        impl fmt::Display for AdapterConfig {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let _ = &f;
                match *self {
                    $($(#[$condition])* Self::$variant(ref config) => config.fmt(f),)*
                }
            }
        }
    };
}

adapters! {
    #[cfg(feature = "obd")]
    Obd => crate::obd::Obd;
}
