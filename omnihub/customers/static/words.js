const WORDS = {
  title: ["Customers", "客户页面"],
  demo: ["Demo", "演示"],
  hint: ["Here you are the customer. What you write arrives in the inbox, and answers come back.", "在这里扮演客户：您写的消息会进入收件箱，客服的回复会显示在这里。"],
  inbox: ["Inbox ↗", "收件箱 ↗"],
  channels: ["Channels", "渠道"],
  others: ["With a page of their own", "有自己的页面"],
  people: ["Customers", "客户"],
  peopleOf: ["Customers on {channel}", "{channel}的客户"],
  noChannel: ["No chat channel is connected.", "没有连接任何聊天渠道。"],
  invent: ["Add", "添加"],
  inventName: ["A new customer's name", "新客户的名字"],
  back: ["All customers", "全部客户"],
  chat: ["Chat", "聊天"],
  actions: ["What else this customer can do", "客户的其他操作"],
  asPerson: ["{name} on {channel}", "{channel} · {name}"],
  attach: ["Send a picture or a file", "发送图片或文件"],
  voice: ["Send a voice note", "发送语音"],
  text: ["Message", "消息"],
  textAs: ["Write as {name}", "以 {name} 的身份发消息"],
  send: ["Send", "发送"],
  empty: ["Nothing here yet. Say hello: it arrives in the inbox at once.", "还没有消息。发一句试试，客服马上就能看到。"],
  reconnecting: ["The hub does not answer. Trying again…", "系统暂时没有响应，正在重新连接……"],
  notSent: ["This was not sent: the hub does not answer.", "没有发出：系统没有响应。"],
  notCarried: ["This channel does not carry such a file.", "这个渠道不支持此类文件。"],
  tooLarge: ["Files of up to 50 MB can be tried here.", "这里最多可以发送 50 MB 的文件。"],
  you: ["You: ", "我："],
  recalledDesk: ["The company took back a message", "对方撤回了一条消息"],
  recalledCustomer: ["You took back a message", "你撤回了一条消息"],
  recalledSystem: ["A message was taken back", "撤回了一条消息"],
  unread: ["New answer", "有新回复"],
  image: ["Picture", "图片"],
  voiceNote: ["Voice note", "语音"],
  video: ["Video", "视频"],
  file: ["File", "文件"],
  location: ["Location", "位置"],
  link: ["Link", "链接"],
  yesterday: ["Yesterday", "昨天"],
  performance: ["Customers who write by themselves", "客户自动发言"],
  perform: ["Let customers write for a while", "让客户自动发言"],
  performAgain: ["Let more customers write", "再来一轮"],
  stop: ["Stop", "停止"],
  performHint: ["A minute or two of a busy day, on every channel.", "模拟一两分钟的繁忙时段，覆盖所有渠道。"],
  writing: ["{said} of {total} messages · {name}, {channel}", "第 {said} / {total} 条消息 · {name}（{channel}）"],
  beginning: ["The first customers are typing…", "第一批客户正在输入……"],
  waiting: ["{count} customers wait for an answer; answer some, and they write back.", "{count} 位客户在等回复；回复后他们会继续对话。"],
  waitingOne: ["One customer waits for an answer; answer, and they write back.", "1 位客户在等回复；回复后会继续对话。"],
};
const KEPT = "omnihub.customers.language";

let language = kept() ?? (navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en");

function kept() {
  const found = localStorage.getItem(KEPT);
  return found === "zh" || found === "en" ? found : null;
}

export const current = () => language;
export const locale = () => (language === "zh" ? "zh-CN" : "en");

export function choose(wanted) {
  language = wanted;
  localStorage.setItem(KEPT, wanted);
}

export function say(key, values = {}) {
  const words = WORDS[key][language === "zh" ? 1 : 0];
  return words.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

export const knows = (key) => key in WORDS;

/** Fills in all that the page itself says. */
export function label(root) {
  document.documentElement.lang = locale();
  for (const one of root.querySelectorAll("[data-say]")) one.textContent = say(one.dataset.say);
  for (const one of root.querySelectorAll("[data-label]")) {
    one.setAttribute("aria-label", say(one.dataset.label));
    if (one.matches("a, button, input")) one.title = say(one.dataset.label);
  }
}
