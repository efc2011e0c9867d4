import { defineStore } from 'pinia'
import { computed, ref } from 'vue'
import { accounts as accountApi, channels as channelApi, type Account, type Channel } from '@/api'

export const useChannels = defineStore('channels', () => {
  const channels = ref<Channel[]>([])
  const accounts = ref<Account[]>([])
  let loading: Promise<void> | null = null

  async function refreshAccounts(): Promise<void> {
    accounts.value = await accountApi.list()
  }

  async function refresh(): Promise<void> {
    const [kinds] = await Promise.all([channelApi.list(), refreshAccounts()])
    channels.value = kinds
  }

  function load(): Promise<void> {
    loading ??= refresh().catch((error: unknown) => {
      loading = null
      throw error
    })
    return loading
  }

  function put(account: Account): void {
    const at = accounts.value.findIndex((known) => known.id === account.id)
    if (at < 0) accounts.value = [...accounts.value, account]
    else accounts.value.splice(at, 1, account)
  }

  function drop(id: string): void {
    accounts.value = accounts.value.filter((account) => account.id !== id)
  }

  const byKey = computed(() => new Map(channels.value.map((channel) => [channel.key, channel])))
  const accountById = computed(() => new Map(accounts.value.map((account) => [account.id, account])))
  const ailing = computed(
    () => accounts.value.filter((a) => a.enabled && (a.health.state === 'error' || a.health.state === 'warning')).length,
  )

  return { channels, accounts, byKey, accountById, ailing, load, refresh, refreshAccounts, put, drop }
})
