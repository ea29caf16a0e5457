//! Everything that two threads can do to each other here.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p wasp-core --release --lib loom`

use loom::sync::Arc;
use loom::thread;

use super::*;

const LONG: Duration = Duration::from_secs(3600);

fn use_one(stock: &SlotPool<Thing, u8>) {
    match stock.take(LONG, |_| false).expect("there is one") {
        Acquired::Clean(thing) => assert_eq!(thing, Thing(1, 1)),
        Acquired::Make(template) => assert_eq!(template, 1),
        Acquired::Used(thing) => assert_eq!(thing, Thing(1, 1)),
    }
}

#[test]
fn loom_two_users_share_one_thing_and_nobody_waits_for_ever() {
    loom::model(|| {
        let stock = Arc::new(SlotPool::new(1, 1));
        let other = Arc::clone(&stock);
        let user = thread::spawn(move || {
            use_one(&other);
            assert_eq!(other.put_clean(Thing(1, 1)), None);
        });
        use_one(&stock);
        assert_eq!(stock.put_clean(Thing(1, 1)), None);
        user.join().expect("no panic");
        assert_eq!(stock.statistics().size, 1);
    });
}

#[test]
fn loom_used_things_come_back_through_the_cleaner() {
    loom::model(|| {
        let stock = Arc::new(SlotPool::new(1, 1));
        use_one(&stock);
        assert_eq!(stock.put_used(Thing(1, 1)), None);
        let other = Arc::clone(&stock);
        let cleaner = thread::spawn(move || {
            // Unless the other thread was faster and cleans it.
            if let Some(thing) = other.next_used() {
                assert_eq!(other.put_clean(thing), None);
                other.cleaned();
            }
        });
        use_one(&stock);
        cleaner.join().expect("no panic");
    });
}

#[test]
fn loom_what_is_lent_is_neither_lost_nor_waited_for_for_ever() {
    loom::model(|| {
        let stock = Arc::new(SlotPool::new(1, 1));
        use_one(&stock);
        assert_eq!(stock.put_clean(Thing(1, 1)), None);
        let other = Arc::clone(&stock);
        let reclaimer = thread::spawn(move || {
            if let Some(thing) = other.lend(|_| true) {
                assert_eq!(other.take_back(thing), None);
            }
        });
        use_one(&stock);
        assert_eq!(stock.put_clean(Thing(1, 1)), None);
        reclaimer.join().expect("no panic");
        assert_eq!(stock.statistics().size, 1);
    });
}

#[test]
fn loom_closing_leaves_nothing_behind() {
    loom::model(|| {
        let stock = Arc::new(SlotPool::new(2, 1));
        use_one(&stock);
        assert_eq!(stock.put_used(Thing(1, 1)), None);
        let other = Arc::clone(&stock);
        let cleaner = thread::spawn(move || {
            let Some(thing) = other.next_used() else {
                return 0;
            };
            let refused = other.put_clean(thing);
            other.cleaned();
            refused.map_or(0, |_| 1)
        });
        let (clean, used) = stock.close();
        let refused = cleaner.join().expect("no panic");
        assert_eq!(clean.len() + used.len() + refused, 1);
    });
}
