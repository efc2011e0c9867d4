import { session as api } from '@/api'
import { usePrefs, type Locale } from '@/stores/prefs'
import { useSession } from '@/stores/session'

/** Choices that follow the person: the language is told to the server too, so that its words match. */
export function usePersonal() {
  const prefs = usePrefs()
  const session = useSession()

  async function setLocale(locale: Locale): Promise<void> {
    prefs.chooseLocale(locale)
    if (!session.user) return
    // Kept in this browser whatever the server says; a fault here is not worth a message.
    session.user = await api.updateMe({ locale }).catch(() => session.user)
  }

  const switchLocale = (): Promise<void> => setLocale(prefs.locale === 'en' ? 'zh-CN' : 'en')
  return { prefs, setLocale, switchLocale }
}
