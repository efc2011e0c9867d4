import { useI18n } from 'vue-i18n'

/** How a call is summed up: translated where it is one of the usual ways, else as the admin wrote it. */
export function useDispositionWords() {
  const { t, te } = useI18n()
  return (code: string): string => (te(`disposition.${code}`) ? t(`disposition.${code}`) : code)
}
