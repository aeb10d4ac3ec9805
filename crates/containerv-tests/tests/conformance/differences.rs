//! The table of differences against what the host says of itself.

use containerv_tests::Bed;
use containerv_tests::differences::{DIFFERENCES, Place, feature};

#[test]
fn the_table_is_what_the_host_says() {
    let bed = Bed::new();
    let here = Place::here();
    let known = bed.host().features();
    for difference in DIFFERENCES {
        assert!(!difference.reason.is_empty() && !difference.absent.is_empty(), "{difference:?}");
        let named = |place: &Place| {
            known
                .iter()
                .any(|feature| feature.name == difference.capability && feature.backend == place.backend())
        };
        assert!([Place::Linux, Place::Process].iter().any(named), "{difference:?}: nobody has it");
        if difference.absent.contains(&here) {
            let feature = feature(bed.host(), difference.capability);
            assert!(!feature.available, "{feature:?} is there, and the table says that it is not");
            assert!(!feature.reason.is_empty(), "{feature:?}");
        }
    }
}
