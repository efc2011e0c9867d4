import { defineStore } from 'pinia'
import { computed, ref, watch } from 'vue'
import { wiring } from '@/api/http'

export type Theme = 'system' | 'light' | 'dark'
export type Locale = 'en' | 'zh-CN'

const read = (name: string): string | null => localStorage.getItem(`omnihub.${name}`)
const write = (name: string, value: string): void => localStorage.setItem(`omnihub.${name}`, value)

export const asLocale = (text: string | null | undefined): Locale => (text?.toLowerCase().startsWith('zh') ? 'zh-CN' : 'en')

export const usePrefs = defineStore('prefs', () => {
  const locale = ref<Locale>(asLocale(read('locale') ?? navigator.language))
  /** Someone picked the language in this browser; it then counts more than the one kept with the account. */
  const localeChosen = ref(read('locale') !== null)
  const theme = ref<Theme>((read('theme') as Theme | null) ?? 'system')
  const notify = ref(read('notify') === 'on' && 'Notification' in window && Notification.permission === 'granted')

  /** A sound while the own telephone rings. */
  const ring = ref(read('ring') === 'on')

  const systemDark = window.matchMedia?.('(prefers-color-scheme: dark)')
  const systemIsDark = ref(systemDark?.matches ?? false)
  systemDark?.addEventListener('change', (event) => (systemIsDark.value = event.matches))
  const dark = computed(() => theme.value === 'dark' || (theme.value === 'system' && systemIsDark.value))

  watch(dark, (on) => document.documentElement.classList.toggle('dark', on), { immediate: true })
  watch(theme, (value) => write('theme', value))
  watch(notify, (on) => write('notify', on ? 'on' : 'off'))
  watch(ring, (on) => write('ring', on ? 'on' : 'off'))
  watch(
    locale,
    (value) => {
      document.documentElement.lang = value
      wiring.locale = value
    },
    { immediate: true },
  )

  function chooseLocale(value: Locale): void {
    write('locale', value)
    localeChosen.value = true
    locale.value = value
  }

  function toggleTheme(): void {
    theme.value = dark.value ? 'light' : 'dark'
  }

  /** Asks the browser where needed; false if the person or the browser said no. */
  async function setNotify(on: boolean): Promise<boolean> {
    if (on && !('Notification' in window)) return false
    if (on && Notification.permission !== 'granted' && (await Notification.requestPermission()) !== 'granted') return false
    notify.value = on
    return true
  }

  return { locale, localeChosen, chooseLocale, theme, dark, notify, ring, toggleTheme, setNotify }
})
