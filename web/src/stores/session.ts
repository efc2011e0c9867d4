import { defineStore } from 'pinia'
import { computed, ref } from 'vue'
import { Problem, session as api, type Session, type User } from '@/api'
import { wiring } from '@/api/http'
import { asLocale, usePrefs } from './prefs'

export const useSession = defineStore('session', () => {
  const user = ref<User | null>(null)
  const known = ref(false)
  const expired = ref(false)

  function take(session: Session): void {
    user.value = session.user
    wiring.csrf = session.csrf
    known.value = true
    expired.value = false
  }

  /** Asks the server who we are; a network fault is thrown on, "nobody" is an answer. */
  async function restore(): Promise<void> {
    try {
      take(await api.read())
      const prefs = usePrefs()
      if (user.value?.locale && !prefs.localeChosen) prefs.locale = asLocale(user.value.locale)
    } catch (error) {
      if (!(error instanceof Problem) || error.status !== 401) throw error
      user.value = null
      known.value = true
    }
  }

  async function login(email: string, password: string): Promise<void> {
    take(await api.open(email, password))
    // The language that the sign-in page spoke stays, also for the words that the server sends.
    const { locale } = usePrefs()
    if (user.value && asLocale(user.value.locale) !== locale) {
      user.value = await api.updateMe({ locale }).catch(() => user.value)
    }
  }

  async function logout(): Promise<void> {
    await api.close()
    forget()
  }

  function forget(): void {
    user.value = null
    wiring.csrf = ''
  }

  function expire(): void {
    if (!user.value) return
    expired.value = true
    forget()
  }

  const role = computed(() => user.value?.role ?? 'readonly')
  const extensions = computed(() => user.value?.extensions ?? [])
  const isAdmin = computed(() => role.value === 'admin')
  const isSupervisor = computed(() => role.value === 'admin' || role.value === 'supervisor')
  const canWrite = computed(() => role.value !== 'readonly')

  return { user, known, expired, role, extensions, isAdmin, isSupervisor, canWrite, restore, login, logout, expire }
})
