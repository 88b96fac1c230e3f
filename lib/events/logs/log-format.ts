import { quote } from '../../errors/index.js';

import { logHints, type LogHint } from './log-argument.js';

/** A format taken apart: text, and the hints of the arguments between. There is one text more than hints. */
export interface LogFormat {
  readonly texts: readonly string[];
  readonly hints: readonly LogHint[];
}

/** Takes a format apart; a string says what is wrong with it. */
export function parseLogFormat(format: string): LogFormat | string {
  const texts: string[] = [];
  const hints: LogHint[] = [];
  let text = '';
  let end = 0;
  // What one begins with decides: braces that are doubled, an argument, a brace that is neither.
  for (const match of format.matchAll(/\{\{|\}\}|\{([^{}]*)\}|[{}]/gu)) {
    const [found, inside] = match;
    text += format.slice(end, match.index);
    end = match.index + found.length;
    if (found === '{{' || found === '}}') text += found.charAt(0);
    else if (inside === undefined) return `a single ${found} at character ${match.index + 1}: write ${found}${found}`;
    else {
      const hint = inside.slice(1);
      if (!isHint(hint) || inside === ':' || (inside !== '' && !inside.startsWith(':'))) {
        const known = logHints.map((each) => (each === '' ? '{}' : `{:${each}}`)).join(', ');
        return `${quote(found)} is none of ${known}`;
      }
      hints.push(hint);
      texts.push(text);
      text = '';
    }
  }
  texts.push(text + format.slice(end));
  return { texts, hints };
}

function isHint(hint: string): hint is LogHint {
  return logHints.includes(hint);
}
