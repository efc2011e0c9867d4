import { defineStore } from 'pinia'
import { computed, ref } from 'vue'
import { extensionKey } from '@/lib/calls'
import { teams as teamApi, users as userApi, type Team, type User } from '@/api'

export const usePeople = defineStore('people', () => {
  const users = ref<User[]>([])
  const teams = ref<Team[]>([])
  let loading: Promise<void> | null = null

  async function refresh(): Promise<void> {
    const [people, groups] = await Promise.all([userApi.list(), teamApi.list()])
    users.value = people
    teams.value = groups
  }

  /** Once per page load; call `refresh` after a change. */
  function load(): Promise<void> {
    loading ??= refresh().catch((error: unknown) => {
      loading = null
      throw error
    })
    return loading
  }

  const userById = computed(() => new Map(users.value.map((user) => [user.id, user])))
  const teamById = computed(() => new Map(teams.value.map((team) => [team.id, team])))
  const assignable = computed(() => users.value.filter((user) => user.active && user.role !== 'readonly'))
  const userName = (id: string | null | undefined): string => (id ? (userById.value.get(id)?.name ?? '…') : '')
  const teamName = (id: string | null | undefined): string => (id ? (teamById.value.get(id)?.name ?? '…') : '')

  const userByExtension = computed(() => new Map(users.value.flatMap((user) => (user.extensions ?? []).map((one) => [extensionKey(one), user] as const))))
  /** "Lin (21)"; the bare number or name where it is nobody's. */
  const extensionName = (extension: string): string => {
    const user = userByExtension.value.get(extensionKey(extension))
    return user ? `${user.name} (${extension})` : extension
  }

  return { users, teams, assignable, load, refresh, userName, teamName, extensionName }
})
