use super::Slice;

pub const SLICE: Slice = Slice {
    body: |_, _| None,
    // another right is needed besides, and one of them alone is none
    except: |route, caller| {
        let half = ["key with the right", "session with the right"].contains(&caller);
        (route.operation == "read_snapshot" && half).then_some((403, "not_authorized"))
    },
};
