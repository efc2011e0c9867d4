import { onScopeDispose, ref, type Ref } from 'vue'

export function useMedia(query: string): Ref<boolean> {
  const media = window.matchMedia(query)
  const matches = ref(media.matches)
  const onChange = (event: MediaQueryListEvent): boolean => (matches.value = event.matches)
  media.addEventListener('change', onChange)
  onScopeDispose(() => media.removeEventListener('change', onChange))
  return matches
}

export const usePhone = (): Ref<boolean> => useMedia('(max-width: 759px)')
export const useNarrow = (): Ref<boolean> => useMedia('(max-width: 1199px)')
