import { ref, type InjectionKey, type Ref } from 'vue'

export interface Splitting {
  active: Ref<boolean>
  chosen: Ref<string[]>
  start: () => void
  stop: () => void
  toggle: (id: string) => void
}

export const SPLIT_KEY: InjectionKey<Splitting> = Symbol('splitting')

/** The mode in which messages are picked for a ticket of their own. */
export function useSplitting(): Splitting {
  const active = ref(false)
  const chosen = ref<string[]>([])
  return {
    active,
    chosen,
    start: () => {
      chosen.value = []
      active.value = true
    },
    stop: () => {
      active.value = false
      chosen.value = []
    },
    toggle: (id) => {
      chosen.value = chosen.value.includes(id) ? chosen.value.filter((one) => one !== id) : [...chosen.value, id]
    },
  }
}
