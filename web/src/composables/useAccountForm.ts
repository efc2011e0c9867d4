import { computed, ref } from 'vue'
import { useI18n } from 'vue-i18n'
import { accounts as api, Problem, type Account, type AccountPolicy, type Finding } from '@/api'
import { newKey } from '@/api/http'
import { freshCallPolicy, isPhone } from '@/lib/phones'
import { defaultValues, fieldSpecs, submittedValues, type Values } from '@/lib/schemaForm'
import { useChannels } from '@/stores/channels'
import { useProblem } from './useProblem'

const freshPolicy = (): AccountPolicy => ({ undo_seconds: null, reopen_days: 14, cross_channel: 'separate', reply_via: '', team_id: '' })

/** One account while it is being added or changed: its values, its test and its saving. */
export function useAccountForm() {
  const { t } = useI18n()
  const store = useChannels()
  const { say, attempt, done } = useProblem()

  const account = ref<Account | null>(null)
  const channelKey = ref('')
  const name = ref('')
  const values = ref<Values>({})
  const policy = ref<AccountPolicy>(freshPolicy())
  const errors = ref<Record<string, string>>({})
  const findings = ref<Finding[] | null>(null)
  const testing = ref(false)
  const saving = ref(false)
  let key = newKey()

  const channel = computed(() => store.byKey.get(channelKey.value))
  const specs = computed(() => (channel.value ? fieldSpecs(channel.value.settings_schema) : []))

  function startNew(wanted: string): void {
    account.value = null
    channelKey.value = wanted
    name.value = ''
    values.value = defaultValues(specs.value)
    policy.value = { ...freshPolicy(), ...(channel.value && isPhone(channel.value) ? { calls: freshCallPolicy() } : {}) }
    errors.value = {}
    findings.value = null
    key = newKey()
  }

  function edit(given: Account): void {
    account.value = given
    channelKey.value = given.channel
    name.value = given.name
    values.value = { ...defaultValues(specs.value), ...given.settings }
    policy.value = { ...freshPolicy(), ...given.policy }
    errors.value = {}
    findings.value = null
  }

  function takeErrors(error: unknown): boolean {
    if (!(error instanceof Problem) || Object.keys(error.fields).length === 0) return false
    errors.value = error.fields
    return true
  }

  /** Words for what has no field of its own on the form. */
  const generalErrors = computed(() => {
    const shown = new Set(specs.value.flatMap((spec) => [spec.id, `settings.${spec.id}`]))
    const lists = specs.value.filter((spec) => spec.kind === 'objects').map((spec) => `${spec.id}.`)
    const ofEntry = (field: string): boolean => lists.some((list) => field.replace(/^settings\./, '').startsWith(list))
    return Object.entries(errors.value).filter(([field]) => !shown.has(field) && !ofEntry(field) && field !== 'name' && !field.startsWith('policy.calls.'))
  })

  async function test(): Promise<void> {
    testing.value = true
    errors.value = {}
    findings.value = null
    try {
      const body = { channel: channelKey.value, settings: submittedValues(specs.value, values.value), account_id: account.value?.id }
      findings.value = (await api.testDraft(body)).findings
    } catch (error) {
      takeErrors(error)
      say(error)
    } finally {
      testing.value = false
    }
  }

  async function save(): Promise<Account | null> {
    saving.value = true
    errors.value = {}
    try {
      const body = { name: name.value.trim(), settings: submittedValues(specs.value, values.value), policy: policy.value }
      const saved = account.value
        ? await api.update(account.value.id, body)
        : await api.create({ channel: channelKey.value, enabled: true, ...body }, key)
      store.put(saved)
      done(t('account.saved'))
      return saved
    } catch (error) {
      key = newKey()
      takeErrors(error)
      say(error)
      return null
    } finally {
      saving.value = false
    }
  }

  async function removeAccount(): Promise<boolean> {
    const id = account.value?.id
    if (!id) return false
    return attempt(async () => {
      await api.remove(id)
      store.drop(id)
    })
  }

  return { account, channel, channelKey, name, values, policy, specs, errors, generalErrors, findings, testing, saving, startNew, edit, test, save, removeAccount }
}
