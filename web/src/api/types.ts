/** Shapes of /api/v1. Times are ISO 8601 UTC strings. */

export type Status = 'new' | 'open' | 'pending' | 'resolved' | 'closed'
export type Priority = 'low' | 'normal' | 'high' | 'urgent'
export type Role = 'admin' | 'supervisor' | 'agent' | 'readonly'
export type Direction = 'inbound' | 'outbound' | 'note'
export type MessageKind = 'message' | 'auto_reply' | 'bounce' | 'list' | 'unsupported' | 'notice' | 'call'
export type DeliveryState =
  | 'queued'
  | 'sending'
  | 'sent'
  | 'delivered'
  | 'read'
  | 'failed'
  | 'uncertain'
  | 'cancelled'
export type CrossChannel = 'separate' | 'suggest' | 'join'

export const STATUSES: readonly Status[] = ['new', 'open', 'pending', 'resolved', 'closed']
export const ACTIVE_STATUSES: readonly Status[] = ['new', 'open', 'pending']
export const PRIORITIES: readonly Priority[] = ['low', 'normal', 'high', 'urgent']
export const ROLES: readonly Role[] = ['admin', 'supervisor', 'agent', 'readonly']

export interface Page<T> {
  items: T[]
  next: string | null
}

export interface User {
  id: string
  email: string
  name: string
  role: Role
  locale: string
  active: boolean
  /** The telephones that ring for this user, by number or name at the PBX. */
  extensions: string[]
}

export interface Team {
  id: string
  name: string
  member_ids: string[]
}

export interface Token {
  id: string
  name: string
  scopes: string[]
  token?: string
  created_at?: string
  last_used_at?: string | null
}

export interface Session {
  user: User
  csrf: string
}

export interface LastMessage {
  id: string
  direction: Direction
  channel: string
  preview: string
  author: string
  at: string
}

export interface TicketLink {
  ticket_id: string
  number: number
  kind: string
  reason: string
}

export interface Ticket {
  id: string
  number: number
  subject: string
  status: Status
  priority: Priority
  assignee_id: string | null
  team_id: string | null
  tags: string[]
  spam: boolean
  contact_id: string
  contact_name: string
  channels: string[]
  account_ids: string[]
  last_message: LastMessage | null
  last_message_at: string
  last_inbound_id: string | null
  waiting_since: string | null
  message_count: number
  undelivered: number
  snoozed_until: string | null
  resolved_at: string | null
  merged_into: string | null
  links: TicketLink[]
  suggested_ticket_id: string | null
  version: number
  created_at: string
  updated_at: string
}

export interface Identity {
  key: string
  channel: string
  name: string
  claims: string[]
  evidence: string
}

export interface OtherTicket {
  id: string
  number: number
  subject: string
  status: Status
  last_message_at: string
}

export interface Contact {
  id: string
  name: string
  identities: Identity[]
  /** The attachment that holds the picture. */
  avatar_id?: string
  merged_into: string | null
  other_tickets?: OtherTicket[]
}

export interface Participant {
  key: string
  name: string
  role: string
  confirmed: boolean
}

/** What a channel can carry outwards; a list of names or a table of switches. */
export type Capabilities = string[] | Record<string, unknown>

/** What the provider still lets us answer. `until` is null while the customer has not written. */
export interface ReplyWindow {
  until: string | null
  left: number
  allowed: number
}

/** A prepared message; `text` shows its blanks as {key}. */
export interface ReplyTemplate {
  id: string
  name: string
  text: string
  fields: { key: string; label: string }[]
}

export interface UsedTemplate {
  id: string
  values: Record<string, string>
}

/** One way to answer, and what it allows. */
export interface ReplyWay {
  account_id: string
  account_name: string
  channel: string
  can_reply: boolean
  /** Why not, in words, where `can_reply` is false; or what an answer has to wait for. */
  reply_reason?: string
  /** The account that carries the answer, where it is not the conversation's own. */
  reply_account_id?: string
  reply_to: { key: string; name: string }[]
  capabilities: Capabilities
  window?: ReplyWindow | null
  templates?: ReplyTemplate[]
}

/** Another handle of the same customer; answered with `account_id` and its key. */
export type OtherWay = ReplyWay

export interface Conversation extends ReplyWay {
  id: string
  thread_key: string
  contact_id: string
  ticket_id: string
  open: boolean
  pinned: boolean
  bulk: boolean
  subject: string
  participants: Participant[]
  last_inbound_id: string | null
  created_at: string
}

export interface Actor {
  kind: 'user' | 'contact' | 'system'
  id: string
  name: string
}

export interface Operation {
  id: string
  kind: 'ticket_merge' | 'ticket_split' | 'conversation_move' | 'conversation_join' | 'contact_merge'
  ticket_ids: string[]
  contact_ids: string[]
  actor: Actor
  reason: string
  undone_at: string | null
  at: string
}

export interface TicketDetail {
  ticket: Ticket
  contact: Contact
  conversations: Conversation[]
  elsewhere?: OtherWay[]
  links: TicketLink[]
  operations: Operation[]
}

export interface Attachment {
  id: string
  filename: string
  content_type: string
  size: number
  inline: boolean
  content_id: string
  label: string
  /** fetching: the provider's copy is still on its way; lost: it cannot be had any more. */
  state?: 'ready' | 'fetching' | 'lost'
  problem?: string
}

export interface Delivery {
  state: DeliveryState
  due: string
  attempts: number
  words: string
  refused: Record<string, string>
  sent_at: string | null
  updated_at: string
}

export interface Message {
  id: string
  account_id: string
  direction: Direction
  kind: MessageKind
  channel: string
  conversation_id: string
  ticket_id: string
  contact_id: string
  sender: { key: string; name: string; user_id: string | null }
  to: Participant[]
  cc: Participant[]
  bcc: Participant[]
  subject: string
  text: string
  html: string
  visible_text: string
  quoted_text: string
  visible_html: string
  attachments: Attachment[]
  automatic: boolean
  silent: boolean
  silent_reason: string
  spam: string[]
  problems: string[]
  placement: { rule: string; reason: string; data: Record<string, unknown> } | null
  answering_id: string | null
  delivery: Delivery | null
  raw_event_id: string | null
  extra: MessageExtra
  /** Of a call. */
  wrap_up?: WrapUp | null
  sent_at: string | null
  at: string
}

/** What a channel told beyond the shape that all share. */
export interface MessageExtra {
  /** A telephone call as far as it is known; see `asCall`. */
  call?: unknown
  /** Of a call: the newest version that is merged into it. */
  sequence?: number
  /** A call that came when nobody was there to answer. */
  out_of_hours?: boolean
  /** The code of what somebody did without writing. */
  notice?: string
  edited_at?: string
  /** Earlier versions, oldest first. */
  edits?: { at: string; text: string }[]
  recalled_at?: string
  location?: unknown
  template?: UsedTemplate
  [name: string]: unknown
}

export type CallDirection = 'in' | 'out'
export type CallState = 'ringing' | 'queued' | 'talking' | 'held' | 'parked' | 'ended'
export type CallOutcome = '' | 'answered' | 'missed' | 'abandoned' | 'busy' | 'no_answer' | 'failed' | 'rejected' | 'voicemail'

export interface PhoneCall {
  id: string
  direction: CallDirection
  state: CallState
  outcome: CallOutcome
  /** As the provider gave it; empty where the number is withheld. */
  customer: string
  customer_name: string
  /** Our number or extension that was dialled. */
  line: string
  queue: string
  position: number
  /** All telephones that rang, in order. */
  agents: string[]
  /** Those that ring now; empty where that is not told. */
  ringing: string[]
  answered_by: string
  transfers: { from: string; to: string; kind: string }[]
  started_at: string | null
  answered_at: string | null
  ended_at: string | null
  waited_seconds: number
  talked_seconds: number
  cause: string
  consent: { notice: string; version: string } | null
  /** Orders what is told of the call; news of an earlier version says nothing new. */
  sequence: number
}

export const CALL_OUTCOMES: readonly CallOutcome[] = ['answered', 'missed', 'abandoned', 'voicemail', 'no_answer', 'busy', 'rejected', 'failed']

/** What a live event tells of a call at once. A version that knows only a part leaves the rest null. */
export interface CallNews {
  id: string | null
  state: CallState | null
  outcome: CallOutcome | null
  direction: CallDirection | null
  customer: string | null
  agents: string[] | null
  ringing: string[] | null
  answered_by: string | null
  line: string | null
  queue: string | null
  customer_name: string | null
  position: number | null
  started_at: string | null
  answered_at: string | null
  ended_at: string | null
  sequence: number | null
}

/** A ticket as it is named in lists of other things. */
export interface TicketBrief {
  id: string
  number: number
  subject: string
  status: Status
}

export interface CallRow {
  message: Message
  ticket: TicketBrief | null
  contact_name: string
}

export interface CallFilters {
  outcome?: string
  direction?: string
  account_id?: string
  number?: string
  extension?: string
  since?: string
  until?: string
}

export interface CallQuery extends CallFilters {
  state: 'active' | 'ended' | 'any'
  cursor?: string
  limit?: number
}

/** How an agent sums up a call. `disposition`: one of the account's, or empty. */
export interface WrapUp {
  disposition: string
  note: string
  user_id: string
  name: string
  at: string
}

/** An account that can place calls. */
export interface PhoneLine {
  account_id: string
  name: string
  channel: string
}

/** Whether our own telephone was picked up; of the customer the call itself tells. */
export interface Dialled {
  call_id: string
  picked_up: boolean
  words: string
}

export interface CallBack {
  id: string
  account_id: string
  number: string
  contact_id: string
  contact_name: string
  ticket: TicketBrief | null
  /** How many calls in vain. */
  calls: number
  reason: string
  state: 'open' | 'done'
  due: string
  first_at: string
  last_at: string
  done_at: string | null
  /** By name. */
  done_by: string | null
  how: string
}

/** Somebody whom a number belongs to, or who only gave it as theirs. */
export interface Candidate {
  id: string
  name: string
  known_by: 'identity' | 'claim'
  identities: string[]
  open_tickets: number
  last_ticket: TicketBrief | null
  last_at: string | null
}

export interface NumberOwners {
  number: string
  owner: { id: string; name: string } | null
  candidates: Candidate[]
}

export interface RecordingAccess {
  user_id: string
  name: string
  at: string
  last_at: string
  requests: number
}

export interface OutboxMessage extends Message {
  ticket_number: number
  ticket_subject: string
  account_name: string
}

export interface HubEvent {
  id: string
  type: string
  ticket_id: string
  message_id: string | null
  actor: Actor
  data: Record<string, unknown>
  at: string
}

export type TimelineItem = { kind: 'message'; message: Message } | { kind: 'event'; event: HubEvent }

export interface TicketQuery {
  view: 'mine' | 'unassigned' | 'all'
  status: string
  channel?: string
  account_id?: string
  assignee_id?: string
  team_id?: string
  tag?: string
  contact_id?: string
  spam?: 0 | 1
  sort?: 'last_message_at' | 'waiting_since' | 'created_at'
  cursor?: string
  limit?: number
}

export interface Counts {
  mine: number
  unassigned: number
  all: number
  snoozed: number
  spam: number
  by_status: Record<Status, number>
}

export interface ReplyBody {
  conversation_id?: string
  answering_id?: string
  seen_inbound_id: string | null
  seen_message_id?: string
  text: string
  html?: string
  attachment_ids?: string[]
  cc?: string[]
  bcc?: string[]
  status?: Status
  force?: boolean
  /** With to_key: by another way, as the agent chose. */
  account_id?: string
  to_key?: string
  template?: UsedTemplate
  as_links?: boolean
}

export interface Words {
  en: string
  zh: string
}

export interface JsonSchema {
  type?: string | string[]
  title?: string
  title_zh?: string
  description?: string
  description_zh?: string
  format?: string
  writeOnly?: boolean
  group?: string
  group_zh?: string
  advanced?: boolean
  widget?: string
  presets?: unknown
  shown_if?: Record<string, unknown>
  enum?: unknown[]
  enum_labels?: Record<string, Words>
  const?: unknown
  default?: unknown
  examples?: unknown[]
  minimum?: number
  maximum?: number
  maxLength?: number
  maxItems?: number
  items?: JsonSchema
  anyOf?: JsonSchema[]
  oneOf?: JsonSchema[]
  allOf?: JsonSchema[]
  $ref?: string
  $defs?: Record<string, JsonSchema>
  properties?: Record<string, JsonSchema>
  additionalProperties?: boolean | JsonSchema
  required?: string[]
}

export type TextUnit = 'characters' | 'bytes' | 'utf16'

/** A kind of file that the channel carries; `types` may end in a star. */
export interface MediaRule {
  kind: string
  types: string[]
  max_bytes: number
}

export interface Channel {
  key: string
  label: Words
  summary: Words
  icon: string
  arrives: string[]
  conversation: string
  capabilities: Capabilities
  text_limit?: number
  text_unit?: TextUnit
  attachment_limit_bytes?: number
  media?: MediaRule[]
  setup: { en: string[]; zh: string[] }
  settings_schema: JsonSchema
}

/** What becomes of telephone calls. Minutes and days: 0 for none, or for ever. */
export interface CallPolicy {
  missed: 'join' | 'separate'
  repeat_minutes: number
  call_back_minutes: number
  /** "Mon-Fri 09:00-18:00, Sat 10:00-14:00"; empty for always open. */
  opening_hours: string
  time_zone: string
  recording_days: number
  dispositions: string[]
}

export interface AccountPolicy {
  undo_seconds: number | null
  reopen_days: number
  cross_channel: CrossChannel
  reply_via: string
  team_id: string
  calls?: CallPolicy
}

export type HealthState = 'ok' | 'warning' | 'error' | 'unknown' | 'disabled'

export interface AccountHealth {
  state: HealthState
  detail: string
  last_event_at: string | null
  last_ok_at: string | null
  lag_seconds: number | null
  counts: { provider?: number; stored?: number; errors?: number }
}

export interface Account {
  id: string
  key: string
  channel: string
  name: string
  enabled: boolean
  demo: boolean
  settings: Record<string, unknown>
  policy: AccountPolicy
  urls: Record<string, string>
  health: AccountHealth
  created_at: string | null
}

export interface AccountBody {
  channel: string
  name: string
  settings: Record<string, unknown>
  policy?: Partial<AccountPolicy>
  enabled?: boolean
}

export interface Finding {
  name: string
  ok: boolean
  detail: string
  remedy: string
}

export interface DeadLetter {
  id: string
  account_id: string
  account_name: string
  channel: string
  source: string
  received_at: string
  error: string
  attempts: number
  size: number
  preview: string
  headers?: Record<string, string> | [string, string][]
  body_text?: string
}

export interface HubStatus {
  version: string
  engines: Record<string, unknown>
  intake: { waiting: number; oldest_seconds: number | null; dead: number }
  outbound: { queued: number; failed: number; uncertain: number }
  demo: boolean
}

export type SearchKind = 'tickets' | 'messages' | 'contacts' | 'files'

export interface TextPart {
  text: string
  hit: boolean
}

export interface SearchHit {
  kind: SearchKind
  id: string
  title: TextPart[]
  ticket: Ticket | null
  message: { id: string; direction: Direction; channel: string; sender: Message['sender']; at: string; excerpt: TextPart[] } | null
  contact: Contact | null
  files: (Attachment & { name_parts: TextPart[] })[]
}

export interface SearchGroup {
  kind: SearchKind
  items: SearchHit[]
  count: number
  more: boolean
  certain: boolean
  next: string | null
}

export interface SearchAnswer {
  groups: SearchGroup[]
  words: string[]
  lag_seconds: number
  rebuilding: boolean
}

export interface SearchQuery {
  q: string
  in?: SearchKind
  sort?: 'newest' | 'best'
  status?: string
  channel?: string
  account_id?: string
  assignee_id?: string
  team_id?: string
  tag?: string
  cursor?: string
  limit?: number
}

export interface MergeResult {
  ticket: Ticket
  operation: Operation
}
