//! Sets up what the workers share before they are forked, and starts each worker.

use std::io;
use std::sync::Arc;

use nginx_sys::{ngx_conf_t, ngx_cycle_t, ngx_event_handler_pt, ngx_event_t, ngx_pid, ngx_worker};
use ngx::http::HttpModuleMainConf;

use super::state;
use crate::cache::Cache;
use crate::claims::Owner;
use crate::nginx::conf::key::{self, Module};
use crate::nginx::conf::main::{Generation, MainConf, ZoneConf};
use crate::nginx::ffi::bridge::{self, Listener, Waker};
use crate::nginx::ffi::log;
use crate::nginx::ffi::shm::{Arena, zone};
use crate::nginx::zones::sessions::SessionZone;
use crate::nginx::zones::state::{self as shared_state, SharedState};

/// Declares the module's own zone, for a configuration that resolves.
pub fn declare_state_zone(cf: &mut ngx_conf_t) -> bool {
    if !Module::main_conf(cf).is_some_and(|main| main.resolves) {
        return true;
    }
    let zone =
        zone::declare(cf, key::address(), shared_state::NAME, shared_state::BYTES, shared_state::on_init);
    let main = Module::main_conf_mut(cf);
    main.map(|main| main.state_zone = zone).is_some() && zone.is_some()
}

/// Creates what the workers of a configuration share.
pub fn prepare(cycle: &ngx_cycle_t) {
    let Some(main) = Module::main_conf(cycle).filter(|main| main.resolves) else { return };
    let Some(state) = shared(main) else { return };
    let wakers = bridge::one_per_worker(cycle).unwrap_or_else(|error| {
        log::cycle().error(format_args!(
            "no eventfd for each worker, they look for each other's answers every 10 ms: {error}"
        ));
        Vec::new()
    });
    let _ = main.generation.set(Generation { number: state.next_generation(), wakers });
}

/// Drops what belongs to the workers: nginx's helper processes inherit it and don't use it.
pub fn leave_to_workers(cycle: &mut ngx_cycle_t) {
    if let Some(main) = Module::main_conf_mut(cycle) {
        drop(main.generation.take());
    }
}

/// Starts the state of a worker, if any location resolves.
///
/// # Errors
/// If the system or nginx has run out of descriptors, or a zone is missing.
pub fn start(
    cycle: &mut ngx_cycle_t,
    on_poll: ngx_event_handler_pt,
    on_wake: unsafe extern "C" fn(*mut ngx_event_t),
) -> io::Result<()> {
    let Some(main) = Module::main_conf(cycle).filter(|main| main.resolves) else { return Ok(()) };
    let state = shared(main).ok_or_else(|| io::Error::other("its shared memory is not there"))?;
    // SAFETY: MAIN THREAD: written once, when the process starts.
    let slot = unsafe { ngx_worker };
    // SAFETY: as above.
    let pid = unsafe { ngx_pid };
    let (slot, pid) = (u32::try_from(slot).unwrap_or(0), pid.unsigned_abs());
    let (number, wakers) = main
        .generation
        .get()
        .map_or((0, Vec::new()), |generation| (generation.number, generation.wakers.clone()));
    let waker = Waker::new()?;
    let listener = Listener::new(&waker, wakers.get(slot as usize).map(|waker| &**waker))?;
    let secret = state.secret();
    let shared = SharedState::new(state).ok_or_else(|| io::Error::other("its shared memory is too small"))?;
    let me = Owner { pid, slot, generation: number };
    #[cfg(feature = "fault-injection")]
    run_models(main, &shared, me);
    bridge::attach(cycle, &listener, on_wake)?;
    state::start(state::Start {
        me,
        secret,
        caches: main.zones.iter().map(cache).collect(),
        shared,
        waker: Arc::new(waker),
        listener,
        wakers,
        on_poll,
    });
    Ok(())
}

fn cache(conf: &ZoneConf) -> Option<Cache<SessionZone>> {
    // SAFETY: CONF: the zones of a cycle live as long as it does.
    SessionZone::new(&conf.name, unsafe { conf.zone.as_ref() }).map(Cache::new)
}

#[cfg(feature = "fault-injection")]
fn run_models(main: &MainConf, state: &SharedState, me: Owner) {
    // SAFETY: CONF: the zones of a cycle live as long as it does.
    let sessions = main.zones.first().and_then(|conf| Arena::of(unsafe { conf.zone.as_ref() }));
    if let Some(sessions) = sessions {
        crate::nginx::zones::model::run(&sessions, state, me);
    }
}

fn shared(main: &MainConf) -> Option<Arena> {
    // SAFETY: CONF: the zones of a cycle live as long as it does.
    Arena::of(unsafe { main.state_zone?.as_ref() })
}
