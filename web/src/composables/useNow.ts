import { onScopeDispose, ref, type Ref } from 'vue'
import { serverNow } from '@/api'

interface Clock {
  now: Ref<number>
  users: number
  timer: ReturnType<typeof setInterval> | undefined
}

const clocks = new Map<number, Clock>()

/** The server's time as a ref that moves every `interval` ms; all users of one interval share one timer. */
export function useNow(interval = 20_000): Ref<number> {
  const clock = clocks.get(interval) ?? { now: ref(serverNow()), users: 0, timer: undefined }
  clocks.set(interval, clock)
  if (clock.users++ === 0) {
    clock.now.value = serverNow()
    clock.timer = setInterval(() => (clock.now.value = serverNow()), interval)
  }
  onScopeDispose(() => {
    if (--clock.users === 0) clearInterval(clock.timer)
  })
  return clock.now
}
