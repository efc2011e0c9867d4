/** Other channels' names for the same deed. */
const SAME: Record<string, string> = {
  subscribe: 'followed',
  follow: 'followed',
  unsubscribe: 'unfollowed',
  unfollow: 'unfollowed',
  enter_session: 'entered',
  entered_chat: 'entered',
  enter_agent: 'entered_app',
  enter: 'entered',
  click: 'menu_clicked',
  menu: 'menu_clicked',
  view: 'menu_link_opened',
  location: 'located',
  scan: 'scanned',
  start: 'started',
  template_card_event: 'button',
  subscribe_choice: 'subscribe_messages_chosen',
  subscribe_result: 'subscribe_message_result',
  group_talk: 'overheard',
  group_off: 'overheard',
}
/** What people said without saying it to us: it is kept as context, and shown in their words. */
const OVERHEARD = new Set(['overheard', 'channel_post'])
const LONGEST = 300

/** The code under which the words for a notice stand, whatever the channel calls it. */
export function noticeKey(code: unknown): string {
  const given = typeof code === 'string' ? code.trim().toLowerCase().replace(/[^a-z0-9]+/g, '_') : ''
  return SAME[given] ?? given
}

/** What the text names beyond its code: a menu item, a place, what was overheard. */
export function noticeDetail(key: string, text: string): string {
  const said = text.trim()
  if (OVERHEARD.has(key)) return said
  const named = /“([^”]+)”/.exec(said)?.[1] ?? /: (.+)$/s.exec(said)?.[1] ?? ''
  return named.length <= LONGEST ? named.trim() : ''
}

/** The hub's own short English says more than the words for its code; overheard words need both. */
export const speaksForItself = (key: string, text: string, locale: string): boolean =>
  !locale.startsWith('zh') && !OVERHEARD.has(key) && text.trim() !== '' && text.length <= LONGEST
