//! How a list grows of which there are many.
//!
//! By a half, and one by one while it is short: a list that doubles is a third empty as it goes, and
//! one of two has room for four. Deliberately absent: the lists.

/// Makes room for one more, if there is none.
pub(crate) fn make_room<T>(list: &mut Vec<T>) {
    if list.len() == list.capacity() {
        list.reserve_exact((list.len() / 2).max(1));
    }
}

#[cfg(test)]
mod tests {
    use super::make_room;

    #[test]
    fn a_list_has_room_for_no_more_than_half_of_what_is_in_it() {
        let (mut list, mut moves) = (Vec::new(), 0);
        for entry in 0..10_000_u64 {
            let before = list.capacity();
            make_room(&mut list);
            list.push(entry);
            moves += usize::from(list.capacity() != before);
            let room = list.capacity() - list.len();
            assert!(room * 2 <= list.len(), "{room} behind {}", list.len());
        }
        // As often as it grows by a half from one to ten thousand, and a few times at first.
        assert!(moves <= 30, "{moves}");
    }
}
