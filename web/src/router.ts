import { createRouter, createWebHistory, type RouteRecordRaw, type Router } from 'vue-router'
import { wiring } from '@/api/http'
import { useSession } from '@/stores/session'

const routes: RouteRecordRaw[] = [
  { path: '/login', name: 'login', component: () => import('@/pages/LoginPage.vue'), meta: { open: true } },
  {
    path: '/',
    component: () => import('@/components/layout/AppShell.vue'),
    children: [
      { path: '', redirect: '/inbox' },
      { path: 'inbox/:number?', name: 'inbox', component: () => import('@/pages/InboxPage.vue') },
      { path: 'tickets/:number', redirect: (to) => ({ name: 'inbox', params: to.params }) },
      { path: 'calls/:tab(call-backs|log)?', name: 'calls', component: () => import('@/pages/CallsPage.vue') },
      { path: 'search', name: 'search', component: () => import('@/pages/SearchPage.vue') },
      { path: 'contacts/:id?', name: 'contacts', component: () => import('@/pages/ContactsPage.vue') },
      { path: 'channels', name: 'channels', component: () => import('@/pages/ChannelsPage.vue') },
      { path: 'channels/new', name: 'account-new', component: () => import('@/pages/AccountPage.vue'), meta: { admin: true } },
      { path: 'channels/:id', name: 'account', component: () => import('@/pages/AccountPage.vue'), meta: { admin: true } },
      { path: 'outbox', name: 'outbox', component: () => import('@/pages/OutboxPage.vue') },
      { path: 'dead-letters', name: 'dead-letters', component: () => import('@/pages/DeadLettersPage.vue') },
      { path: 'settings/:section?', name: 'settings', component: () => import('@/pages/SettingsPage.vue') },
      { path: ':rest(.*)*', name: 'lost', component: () => import('@/pages/LostPage.vue') },
    ],
  },
]

export function createAppRouter(): Router {
  const router = createRouter({ history: createWebHistory('/'), routes })
  router.beforeEach(async (to) => {
    const session = useSession()
    if (!session.known) {
      try {
        await session.restore()
      } catch {
        // The server cannot be reached: the login page says so when it is used.
        if (!to.meta.open) return { name: 'login', query: { next: to.fullPath } }
        return true
      }
    }
    if (!session.user && !to.meta.open) return { name: 'login', query: { next: to.fullPath } }
    if (to.meta.admin && !session.isAdmin) return { name: 'channels' }
    if (session.user && to.name === 'login') return { path: '/inbox' }
    return true
  })
  wiring.onUnauthorized = () => {
    const session = useSession()
    if (!session.user) return
    session.expire()
    void router.push({ name: 'login', query: { next: router.currentRoute.value.fullPath } })
  }
  return router
}
