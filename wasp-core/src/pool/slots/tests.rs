//! Which things change hands, and in which order.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::*;

const LONG: Duration = Duration::from_secs(60);

fn stock(limit: usize) -> SlotPool<Thing, u8> {
    SlotPool::new(limit, 1)
}

#[test]
fn first_ones_are_made_and_later_ones_found() {
    let stock = stock(2);
    assert_eq!(stock.take(LONG, |_| false).ok(), Some(Acquired::Make(1)));
    assert_eq!(stock.put_clean(Thing(7, 1)), None);
    assert_eq!(
        stock.take(LONG, |_| false).ok(),
        Some(Acquired::Clean(Thing(7, 1)))
    );
    let Statistics { hits, misses, size } = stock.statistics();
    assert_eq!((hits, misses, size), (1, 1, 0));
}

#[test]
fn preferred_ones_come_first_and_then_the_latest() {
    let stock = stock(3);
    for _ in 0..3 {
        assert!(matches!(stock.take(LONG, |_| false), Ok(Acquired::Make(1))));
    }
    for thing in [1, 2] {
        assert_eq!(stock.put_used(Thing(thing, 1)), None);
    }
    while let Some(thing) = stock.next_used() {
        assert_eq!(stock.put_clean(thing), None);
        stock.cleaned();
    }
    assert_eq!(stock.put_clean(Thing(3, 1)), None);
    let taken = [
        stock.take(LONG, |thing| thing.0 < 3).ok(),
        stock.take(LONG, |thing| thing.0 == 2).ok(),
        stock.take(LONG, |_| false).ok(),
    ];
    assert_eq!(
        taken,
        [2, 3, 1].map(|one| Some(Acquired::Clean(Thing(one, 1))))
    );
}

#[test]
fn limit_counts_what_is_in_use() {
    let stock = stock(1);
    assert_eq!(stock.take(LONG, |_| false).ok(), Some(Acquired::Make(1)));
    let refused = stock.take(Duration::ZERO, |_| false);
    assert!(matches!(refused, Err(Error::Busy { limit: 1, .. })));
    assert!(matches!(stock.reserve(1), Err(Error::Busy { .. })));
    stock.forget();
    assert_eq!(stock.take(LONG, |_| false).ok(), Some(Acquired::Make(1)));
}

#[test]
fn who_finds_all_in_use_helps_to_clean() {
    let stock = stock(1);
    assert!(matches!(stock.take(LONG, |_| false), Ok(Acquired::Make(1))));
    assert_eq!(stock.put_used(Thing(4, 1)), None);
    assert_eq!(
        stock.take(LONG, |_| false).ok(),
        Some(Acquired::Used(Thing(4, 1)))
    );
    assert_eq!(stock.next_used(), None);
}

#[test]
fn things_of_an_older_template_are_not_taken_back() {
    let stock = stock(3);
    for thing in [5, 6] {
        assert!(matches!(stock.take(LONG, |_| false), Ok(Acquired::Make(1))));
        if thing == 5 {
            assert_eq!(stock.put_clean(Thing(thing, 1)), None);
            assert!(matches!(
                stock.take(LONG, |_| false),
                Ok(Acquired::Clean(Thing(5, 1)))
            ));
        }
    }
    assert_eq!(stock.put_clean(Thing(5, 1)), None);
    assert_eq!(stock.replace_template(&1, 2), Some(vec![Thing(5, 1)]));
    assert_eq!(stock.replace_template(&1, 3), None);
    assert_eq!(stock.put_clean(Thing(6, 1)), Some(Thing(6, 1)));
    assert_eq!(stock.take(LONG, |_| false).ok(), Some(Acquired::Make(2)));
}

#[test]
fn nothing_is_made_while_enough_is_on_its_way_back() {
    let stock = stock(8);
    for _ in 0..=SPARE {
        assert!(matches!(stock.take(LONG, |_| false), Ok(Acquired::Make(1))));
    }
    for thing in 0..SPARE as u32 {
        assert_eq!(stock.put_used(Thing(thing, 1)), None);
    }
    assert!(matches!(
        stock.take(LONG, |_| false),
        Ok(Acquired::Used(Thing(0, 1)))
    ));
    assert!(matches!(stock.take(LONG, |_| false), Ok(Acquired::Make(1))));
}

#[test]
fn what_is_lent_comes_back_as_used_longest_ago() {
    let stock = stock(3);
    for _ in 0..3 {
        assert!(matches!(stock.take(LONG, |_| false), Ok(Acquired::Make(1))));
    }
    for thing in [1, 2, 3] {
        assert_eq!(stock.put_clean(Thing(thing, 1)), None);
    }
    assert_eq!(stock.lend(|thing| thing.0 > 1), Some(Thing(2, 1)));
    assert!(!stock.has(|thing| thing.0 == 2) && stock.has(|thing| thing.0 == 3));
    assert_eq!(stock.take_back(Thing(2, 1)), None);
    assert_eq!(stock.lend(|_| true), Some(Thing(2, 1)));
    stock.lose();
    assert_eq!(stock.lend(|_| false), None);
    // The pool is closed meanwhile.
    assert_eq!(stock.lend(|thing| thing.0 == 1), Some(Thing(1, 1)));
    thread::scope(|scope| {
        let closing = scope.spawn(|| stock.close());
        while !stock.lock().closed {
            thread::yield_now();
        }
        assert_eq!(stock.take_back(Thing(1, 1)), Some(Thing(1, 1)));
        let (clean, _) = closing.join().expect("no panic");
        assert_eq!(clean, [Thing(3, 1)]);
    });
    assert_eq!(stock.lock().live, 0);
}

#[test]
fn closing_waits_for_what_is_being_cleaned() {
    let stock = stock(2);
    assert!(matches!(stock.take(LONG, |_| false), Ok(Acquired::Make(1))));
    assert!(matches!(stock.take(LONG, |_| false), Ok(Acquired::Make(1))));
    assert_eq!(stock.put_used(Thing(8, 1)), None);
    assert_eq!(stock.next_used(), Some(Thing(8, 1)));
    thread::scope(|scope| {
        let closing = scope.spawn(|| stock.close());
        thread::sleep(Duration::from_millis(5));
        assert!(!closing.is_finished());
        // It may come before the closing or after it.
        let back = stock.put_clean(Thing(8, 1));
        stock.cleaned();
        let (clean, used) = closing.join().expect("no panic");
        assert!(used.is_empty());
        assert_eq!(
            back.into_iter().chain(clean).collect::<Vec<_>>(),
            [Thing(8, 1)]
        );
    });
    assert_eq!(stock.put_used(Thing(9, 1)), Some(Thing(9, 1)));
}

#[test]
fn those_who_wait_are_served_in_turn() {
    let stock = stock(1);
    assert!(matches!(stock.take(LONG, |_| false), Ok(Acquired::Make(1))));
    let served = AtomicUsize::new(0);
    thread::scope(|scope| {
        for turn in 0..8 {
            let (stock, served) = (&stock, &served);
            scope.spawn(move || {
                assert!(matches!(
                    stock.take(LONG, |_| false),
                    Ok(Acquired::Clean(Thing(3, 1)))
                ));
                assert_eq!(served.fetch_add(1, Ordering::SeqCst), turn);
                assert_eq!(stock.put_clean(Thing(3, 1)), None);
            });
            while stock.lock().queue.len() != turn + 1 {
                thread::yield_now();
            }
        }
        assert_eq!(stock.put_clean(Thing(3, 1)), None);
    });
}
