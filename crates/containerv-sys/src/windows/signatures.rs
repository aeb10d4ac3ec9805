//! Compares our signatures with those that the system's metadata gives.

use std::marker::PhantomData;

/// What is passed: bits of a number, a pointer, or nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Nothing,
    Number(usize),
    Pointer,
}

pub(crate) trait Passed {
    const KIND: Kind;
}

macro_rules! number {
    ($($type:ty)*) => {
        $( impl Passed for $type {
            const KIND: Kind = Kind::Number(size_of::<$type>() * 8);
        } )*
    };
}
number!(u16 i32 u32 u64 usize);

impl Passed for () {
    const KIND: Kind = Kind::Nothing;
}

impl<T> Passed for *const T {
    const KIND: Kind = Kind::Pointer;
}

impl<T> Passed for *mut T {
    const KIND: Kind = Kind::Pointer;
}

pub(crate) trait Shape {
    fn kinds() -> Vec<Kind>;
}

macro_rules! shape {
    ($($argument:ident)*) => {
        impl<R: Passed, $($argument: Passed),*> Shape for unsafe extern "system" fn($($argument),*) -> R {
            fn kinds() -> Vec<Kind> {
                vec![R::KIND, $($argument::KIND),*]
            }
        }

        impl<R, $($argument),*> Passed for Option<unsafe extern "system" fn($($argument),*) -> R> {
            const KIND: Kind = Kind::Pointer;
        }
    };
}
shape!();
shape!(A);
shape!(A B);
shape!(A B C);
shape!(A B C D);
shape!(A B C D E);
shape!(A B C D E F);
shape!(A B C D E F G);
shape!(A B C D E F G H);
shape!(A B C D E F G H I);

/// The type of a function, of which nothing is used: a mention in a constant does not make the
/// linker want the function.
pub(crate) const fn of<T>(_function: T) -> PhantomData<T>
where
    T: Copy,
{
    PhantomData
}

pub(crate) fn kinds<T: Shape>(_function: PhantomData<T>) -> Vec<Kind> {
    T::kinds()
}

/// Compares our table with functions of the metadata, each with as many `_` as it has arguments.
macro_rules! compare {
    ($table:ty, $metadata:path; $($function:ident($($argument:tt),*);)*) => {{
        use $metadata as metadata;
        let ours = <$table>::shapes();
        let theirs = [$( (
            stringify!($function),
            $crate::windows::signatures::kinds(const {
                $crate::windows::signatures::of(
                    metadata::$function as unsafe extern "system" fn($($argument),*) -> _,
                )
            }),
        ) ),*];
        for (function, kinds) in &theirs {
            let own = ours.iter().find(|(name, _)| name == function);
            assert_eq!(own.map(|(_, kinds)| kinds), Some(kinds), "{function}");
        }
        let unknown = ours.iter().map(|(name, _)| *name);
        unknown.filter(|name| !theirs.iter().any(|(known, _)| known == name)).collect::<Vec<_>>()
    }};
}
pub(crate) use compare;
