import { createI18n } from 'vue-i18n'
import type { Locale } from '@/stores/prefs'

const loaders: Record<Locale, () => Promise<{ default: object }>> = {
  en: () => import('./en'),
  'zh-CN': () => import('./zh-CN'),
}
const known = new Set<Locale>()

export const i18n = createI18n({ legacy: false, locale: 'en', fallbackLocale: 'en', messages: {} })

/** Fetches the words of a language the first time that it is asked for. */
export async function setLocale(locale: Locale): Promise<void> {
  if (!known.has(locale)) {
    const words = (await loaders[locale]()).default
    i18n.global.setLocaleMessage(locale, words as never)
    known.add(locale)
  }
  i18n.global.locale.value = locale
}
