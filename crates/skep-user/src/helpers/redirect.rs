//! Redirection of packets.

use crate::maps::Kind;
use crate::run::{Call, HelperResult, Redirect};
use skep_abi::errno::Errno;
use skep_abi::program_type::ProgramType;

const XDP_ABORTED: u64 = 0;
const XDP_REDIRECT: u64 = 4;
const TC_SHOT: u64 = 2;
const TC_REDIRECT: u64 = 7;
/// `flags` of `bpf_redirect_map`: the low bits are what is returned where there is no target.
const ACTION: u64 = 3;
const BROADCAST: u64 = 1 << 3;
const EXCLUDE_INGRESS: u64 = 1 << 4;
/// `flag` of `bpf_redirect` in tc.
const INGRESS: u64 = 1;

fn is_xdp(call: &Call<'_, '_, '_>) -> bool {
    call.env.program.program_type() == ProgramType::Xdp
}

/// `long bpf_redirect(ifindex, flags)`
pub(super) fn redirect(call: &mut Call<'_, '_, '_>) -> HelperResult {
    let [target, flags, ..] = call.args;
    let (refused, redirected, allowed) =
        if is_xdp(call) { (XDP_ABORTED, XDP_REDIRECT, 0) } else { (TC_SHOT, TC_REDIRECT, INGRESS) };
    if flags & !allowed != 0 {
        return Ok(refused);
    }
    call.env.redirect = Some(Redirect { target: target as u32, flags, map_id: 0, broadcast: false });
    Ok(redirected)
}

/// `long bpf_redirect_neigh(ifindex, params, size, flags)`
pub(super) fn redirect_neighbour(call: &mut Call<'_, '_, '_>) -> HelperResult {
    let [target, _, size, flags, _] = call.args;
    if flags != 0 || (size != 0 && size < 4) {
        return Ok(TC_SHOT);
    }
    call.env.redirect = Some(Redirect { target: target as u32, flags, map_id: 0, broadcast: false });
    Ok(TC_REDIRECT)
}

/// `long bpf_redirect_peer(ifindex, flags)`
pub(super) fn redirect_peer(call: &mut Call<'_, '_, '_>) -> HelperResult {
    let [target, flags, ..] = call.args;
    if flags != 0 {
        return Ok(TC_SHOT);
    }
    call.env.redirect = Some(Redirect { target: target as u32, flags, map_id: 0, broadcast: false });
    Ok(TC_REDIRECT)
}

/// `long bpf_redirect_map(map, key, flags)`
pub(super) fn redirect_map(call: &mut Call<'_, '_, '_>) -> HelperResult {
    let [map, key, flags, ..] = call.args;
    let map = call.map(map)?;
    let Kind::Redirect(targets) = map.implementation.kind() else { return Err(Errno::EINVAL.into()) };
    if flags & !(ACTION | BROADCAST | EXCLUDE_INGRESS) != 0 {
        return Ok(XDP_ABORTED);
    }
    let broadcast = flags & BROADCAST != 0;
    let target = targets.target(key as u32, call.env.run);
    if target.is_none() && !broadcast {
        return Ok(flags & ACTION);
    }
    call.env.redirect = Some(Redirect { target: target.unwrap_or(0), flags, map_id: map.id(), broadcast });
    Ok(XDP_REDIRECT)
}
